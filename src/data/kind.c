/* Reasons, and the kinds of entries; of formats format.c knows. */
#include "data/kind.h"

#include "base/file.h"
#include "base/memory.h"
#include "data/image/format.h"

oc_kind oc_kind_of_name(const char *name) {
    return oc_image_format_name(name) ? OC_KIND_IMAGE : OC_KIND_UNSAID;
}

oc_kind oc_kind_of_content(const char *name, const void *data, size_t size) {
    if (oc_image_other(name, data, size)) return OC_KIND_OTHER_IMAGE;
    return oc_image_format_of(data, size) ? OC_KIND_IMAGE : OC_KIND_NO_IMAGE;
}

const oc_unread_reason oc_unread_reasons[OC_UNREAD_COUNT] = {
    [OC_UNREAD_NO_IMAGE] = {"no image", false},
    [OC_UNREAD_HIDDEN] = {"hidden", false},
    [OC_UNREAD_FORMAT] = {"an image in a format that is not read", true},
    [OC_UNREAD_NEITHER] = {"a link that leads nowhere, or no file", true},
    [OC_UNREAD_LOOP] = {"a link back to a folder that it lies in", true},
    [OC_UNREAD_REPEATED] = {"a name twice in the zip, of which the last counts", true},
    [OC_UNREAD_UNREADABLE] = {"cannot be opened", true},
    [OC_UNREAD_LOOSE] = {"an image beside class folders", true},
    [OC_UNREAD_ELSEWHERE] = {"an image outside the splits", true},
};

/* The reason of an entry that is not looked into, being no file. */
static oc_unread unread_of(oc_entry_kind kind) {
    static const oc_unread why[] = {[OC_ENTRY_FILE] = OC_UNREAD_NO_IMAGE,     [OC_ENTRY_HIDDEN] = OC_UNREAD_HIDDEN,
                                    [OC_ENTRY_NEITHER] = OC_UNREAD_NEITHER,   [OC_ENTRY_LOOP] = OC_UNREAD_LOOP,
                                    [OC_ENTRY_CLOSED] = OC_UNREAD_UNREADABLE, [OC_ENTRY_REPEATED] = OC_UNREAD_REPEATED};
    return why[kind];
}

/* OC_UNREAD_COUNT for an image that is read. */
static oc_unread entry_look(oc_source *source, const oc_folder *folder, const oc_entry *entry) {
    uint8_t bytes[OC_KIND_BYTES];
    size_t got = 0;
    char *path = NULL;
    if (entry->kind != OC_ENTRY_FILE) return unread_of(entry->kind);
    oc_kind kind = oc_kind_of_name(entry->name);
    if (kind == OC_KIND_UNSAID) {
        oc_status status = oc_path_join(&path, folder->path, entry->name, NULL);
        if (status == OC_OK) status = source->ops->peek(source, path, bytes, sizeof bytes, &got, NULL);
        oc_free(path);
        if (status != OC_OK) return OC_UNREAD_UNREADABLE;
        kind = oc_kind_of_content(entry->name, bytes, got);
    }
    return kind == OC_KIND_IMAGE         ? OC_UNREAD_COUNT
           : kind == OC_KIND_OTHER_IMAGE ? OC_UNREAD_FORMAT
                                         : OC_UNREAD_NO_IMAGE;
}

void oc_folder_look(oc_source *source, oc_folder *folder) {
    folder->images = 0;
    for (size_t i = 0; i < folder->entries; i++) {
        const oc_unread unread = entry_look(source, folder, &folder->entry[i]);
        folder->entry[i].unread = (int)unread;
        folder->images += unread == OC_UNREAD_COUNT;
    }
    folder->images_within = folder->images;
    for (size_t i = 0; i < folder->folders; i++) {
        oc_folder_look(source, &folder->folder[i]);
        folder->images_within += folder->folder[i].images_within;
    }
}
