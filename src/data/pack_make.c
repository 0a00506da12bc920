/* Making a pack: chunks of images are decoded by the whole team, while one of its threads writes the chunk before, in
 * order: the file is a function of the data alone, and the memory it takes is that of two chunks. */
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "data/image/decode.h"
#include "data/kept.h"
#include "data/pack_format.h"

#define CHUNK 128 /* images decoded between two progress reports */
#define GRAIN 4

/* What became of one image of the chunk. */
typedef struct slot {
    oc_kept image; /* its buffer is used again for each chunk */
    oc_status status;
    char reason[200];
    uint64_t content;
    oc_moments moments;
} slot;

typedef struct chunk {
    int64_t begin, count; /* of the split's samples */
    slot slots[CHUNK];
} chunk;

typedef struct maker {
    const oc_dataset *dataset;
    const oc_split *split;
    const oc_pack_options *options;
    chunk chunk[2], *fresh, *ready; /* one is decoded, while the other, which is, is written */
    oc_status written;              /* what became of that, and why */
    oc_error error;
    oc_decoder **decoder; /* one a thread */
    int threads;
    oc_file_writer *writer;
    XXH3_state_t *data_hash;
    oc_pack_entry *entry;
    oc_pack_skip *skip;
    size_t entry_capacity, skip_capacity;
    oc_text texts;
    oc_pack_trailer trailer;
} maker;

uint64_t oc_pack_content(const oc_dataset *dataset, const oc_sample *sample) {
    uint8_t *bytes = NULL;
    size_t size;
    if (oc_dataset_read(dataset, sample, &bytes, &size, NULL) != OC_OK) return 0;
    const uint64_t hash = XXH3_64bits(bytes, size);
    oc_free(bytes);
    return hash;
}

oc_status oc_pack_prepare(oc_kept *kept, uint64_t *content, const oc_dataset *dataset, const oc_sample *sample,
                          oc_decoder *decoder, const oc_pack_options *options, oc_error *err) {
    uint8_t *bytes = NULL;
    size_t size = 0;
    oc_pixels image;
    oc_status status;
    *content = 0;
    OC_TRY(oc_dataset_read(dataset, sample, &bytes, &size, err));
    *content = XXH3_64bits(bytes, size);
    OC_TRY(oc_decode(decoder, bytes, size, NULL, &image, err));
    status = oc_kept_fill(kept, &image, options->size, options->image, err);
cleanup:
    oc_free(bytes);
    return status;
}

/* ---- decoding ---- */

static void decode_range(maker *m, int64_t begin, int64_t end, int worker) {
    for (int64_t i = begin; i < end; i++) {
        const oc_sample *sample = &m->split->sample[m->fresh->begin + i];
        slot *s = &m->fresh->slots[i];
        oc_error error = {0};
        s->status = oc_pack_prepare(&s->image, &s->content, m->dataset, sample, m->decoder[worker], m->options, &error);
        s->moments = (oc_moments){0};
        if (s->status == OC_OK)
            oc_moments_add(&s->moments, s->image.pixels, s->image.width, s->image.height);
        else
            snprintf(s->reason, sizeof s->reason, "%.199s", error.message);
    }
}

/* ---- writing ---- */

static oc_status text_add(maker *m, const char *text, uint64_t *offset, oc_error *err) {
    *offset = m->texts.size;
    return oc_text_append(&m->texts, text, strlen(text) + 1, err);
}

static oc_status skip_add(maker *m, const slot *s, int64_t sample, oc_error *err) {
    oc_status status;
    OC_TRY(oc_grow(&m->skip, &m->skip_capacity, (size_t)m->trailer.skipped + 1, sizeof(*m->skip), err));
    oc_pack_skip *skip = &m->skip[m->trailer.skipped];
    *skip = (oc_pack_skip){.content = s->content, .sample = (uint64_t)sample};
    OC_TRY(text_add(m, s->reason, &skip->reason, err));
    m->trailer.skipped++;
cleanup:
    return status;
}

static oc_status image_add(maker *m, const slot *s, const oc_sample *sample, oc_error *err) {
    const oc_kept *image = &s->image;
    const size_t size = (size_t)image->width * (size_t)image->height * 3;
    oc_status status;
    OC_TRY(oc_grow(&m->entry, &m->entry_capacity, (size_t)m->trailer.count + 1, sizeof(*m->entry), err));
    oc_pack_entry *entry = &m->entry[m->trailer.count];
    *entry = (oc_pack_entry){.offset = m->trailer.data_size,
                             .content = s->content,
                             .width = image->width,
                             .height = image->height,
                             .label = sample->label};
    OC_TRY(text_add(m, sample->in_split, &entry->name, err));
    OC_TRY(oc_file_writer_write(m->writer, image->pixels, size, err));
    XXH3_64bits_update(m->data_hash, image->pixels, size);
    oc_moments_join(&m->trailer.moments, &s->moments);
    m->trailer.count++;
    m->trailer.data_size += size;
cleanup:
    return status;
}

static oc_status chunk_write(maker *m, const chunk *chunk, oc_error *err) {
    oc_status status = OC_OK;
    for (int64_t i = 0; i < chunk->count; i++) {
        const slot *s = &chunk->slots[i];
        const int64_t place = chunk->begin + i;
        if (s->status == OC_E_MEMORY) {
            status = oc_fail(err, OC_E_MEMORY, m->split->sample[place].path, "%s", s->reason);
            goto cleanup;
        }
        if (s->status != OC_OK)
            OC_TRY(skip_add(m, s, place, err));
        else
            OC_TRY(image_add(m, s, &m->split->sample[place], err));
    }
cleanup:
    return status;
}

/* Index, skip entries, texts and trailer. */
static oc_status end_write(maker *m, oc_error *err) {
    static const uint8_t zeros[64] = {0};
    oc_pack_trailer *t = &m->trailer;
    const size_t padding = (size_t)(-t->data_size & 63);
    const size_t entries = (size_t)t->count * sizeof(*m->entry), skips = (size_t)t->skipped * sizeof(*m->skip);
    XXH3_state_t *hash = XXH3_createState();
    oc_status status;
    if (!hash) return oc_fail(err, OC_E_MEMORY, NULL, "no memory for a checksum");
    /* The trailer is read as a struct: its place must be aligned. */
    while (m->texts.size % 8 != 0) OC_TRY(oc_text_append(&m->texts, "", 1, err));
    XXH3_64bits_reset(hash);
    XXH3_64bits_update(hash, m->entry, entries);
    XXH3_64bits_update(hash, m->skip, skips);
    XXH3_64bits_update(hash, m->texts.data, m->texts.size);
    OC_TRY(oc_file_writer_write(m->writer, zeros, padding, err));
    OC_TRY(oc_file_writer_write(m->writer, m->entry, entries, err));
    OC_TRY(oc_file_writer_write(m->writer, m->skip, skips, err));
    OC_TRY(oc_file_writer_write(m->writer, m->texts.data, m->texts.size, err));
    memcpy(t->magic, OC_PACK_MAGIC, sizeof t->magic);
    t->fingerprint = m->split->fingerprint;
    t->identity = oc_dataset_identity(m->dataset);
    t->size = m->options->size;
    t->index_offset = t->data_size + padding;
    t->texts_size = m->texts.size;
    t->file_size = t->index_offset + entries + skips + m->texts.size + sizeof(*t);
    t->index_sum = XXH3_64bits_digest(hash);
    t->data_sum = XXH3_64bits_digest(m->data_hash);
    t->sum = XXH3_64bits(t, offsetof(oc_pack_trailer, sum));
    OC_TRY(oc_file_writer_write(m->writer, t, sizeof(*t), err));
    status = oc_file_writer_commit(m->writer, err);
cleanup:
    XXH3_freeState(hash);
    return status;
}

/* ---- both ---- */

/* The first job of a round, which is taken first, writes; each of the others decodes up to GRAIN images. */
static void round_job(void *user, int64_t begin, int64_t end, int worker) {
    maker *m = user;
    for (int64_t job = begin; job < end; job++) {
        const int64_t first = (job - 1) * GRAIN, left = m->fresh->count - first;
        if (job == 0)
            m->written = chunk_write(m, m->ready, &m->error);
        else
            decode_range(m, first, first + (left < GRAIN ? left : GRAIN), worker);
    }
}

/* Decodes the samples from `begin` on, if there are any, and writes those of the round before. */
static oc_status round_run(maker *m, int64_t begin, oc_error *err) {
    const int64_t left = m->split->count - begin, count = left < 0 ? 0 : left < CHUNK ? left : CHUNK;
    m->ready = m->fresh;
    m->fresh = m->fresh == &m->chunk[0] ? &m->chunk[1] : &m->chunk[0];
    m->fresh->begin = begin;
    m->fresh->count = count;
    oc_parallel_for_dynamic(m->options->team, 1 + (count + GRAIN - 1) / GRAIN, 1, round_job, m);
    return m->written == OC_OK ? OC_OK : oc_fail(err, m->written, m->error.where, "%s", m->error.message);
}

static oc_status rounds_run(maker *m, oc_error *err) {
    char what[32];
    oc_status status = OC_OK;
    const int64_t count = m->split->count;
    snprintf(what, sizeof what, "decode %s", m->split->name);
    m->fresh = &m->chunk[0]; /* of no images, as if there had been a round before */
    for (int64_t begin = 0; begin < count + CHUNK; begin += CHUNK) {
        if (!oc_progress_report(&m->options->progress, what, begin < count ? begin : count, count)) {
            status = oc_fail(err, OC_E_STOPPED, NULL, "stopped while decoding %s", m->split->name);
            goto cleanup;
        }
        OC_TRY(round_run(m, begin, err));
    }
    OC_TRY(end_write(m, err));
    oc_progress_report(&m->options->progress, what, count, count);
cleanup:
    return status;
}

static void maker_destroy(maker *m) {
    if (!m) return;
    for (int i = 0; i < CHUNK; i++)
        oc_kept_free(&m->chunk[0].slots[i].image), oc_kept_free(&m->chunk[1].slots[i].image);
    for (int i = 0; m->decoder && i < m->threads; i++) oc_decoder_destroy(&m->decoder[i]);
    oc_free(m->decoder);
    oc_file_writer_destroy(&m->writer);
    XXH3_freeState(m->data_hash);
    oc_free(m->entry);
    oc_free(m->skip);
    oc_text_free(&m->texts);
    oc_free(m);
}

oc_status oc_pack_make(const oc_dataset *dataset, const oc_split *split, const char *path,
                       const oc_pack_options *options, oc_error *err) {
    maker *m = NULL;
    oc_status status;
    OC_TRY(oc_alloc(&m, 1, sizeof(*m), err));
    m->dataset = dataset;
    m->split = split;
    m->options = options;
    m->threads = options->team ? oc_team_threads(options->team) : 1;
    OC_TRY(oc_alloc(&m->decoder, (size_t)m->threads, sizeof(*m->decoder), err));
    for (int i = 0; i < m->threads; i++) OC_TRY(oc_decoder_create(&m->decoder[i], options->image, err));
    m->data_hash = XXH3_createState();
    if (!m->data_hash) {
        status = oc_fail(err, OC_E_MEMORY, path, "no memory for a checksum");
        goto cleanup;
    }
    XXH3_64bits_reset(m->data_hash);
    OC_TRY(oc_file_writer_create(&m->writer, path, err));
    status = rounds_run(m, err);
cleanup:
    maker_destroy(m);
    return status;
}
