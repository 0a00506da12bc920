"""Image files of many kinds, written by Pillow, and the pixels that it sees in them: judge_pillow.py FOLDER [FILE…]

FOLDER/<name> is an image and FOLDER/<name>.ppm what Pillow makes of it: upright, on white, RGB. FILEs are copied there,
too, unless Pillow refuses them. Exit status 77: there is no Pillow here.
"""
import os
import shutil
import sys

try:
    from PIL import Image, ImageOps
except ImportError:
    print("no Pillow here (python3-pil)")
    sys.exit(77)


def picture(width=70, height=50):
    image = Image.new("RGBA", (width, height))
    for y in range(height):
        for x in range(width):
            disc = (x - 30) ** 2 + (y - 25) ** 2
            alpha = 255 if disc < 300 else max(0, 255 - (disc - 300) // 3)
            image.putpixel((x, y), (3 * x, 255 - 5 * y, (x * y) // 14, alpha))
    return image


def save_all(folder):
    rgba = picture()
    rgb = rgba.convert("RGB")
    grey = rgb.convert("L")
    palette = rgb.quantize(40)

    def save(image, name, **options):
        image.save(os.path.join(folder, name), **options)

    for sampling in range(3):
        save(rgb, f"sampling{sampling}.jpg", subsampling=sampling, quality=88)
    save(rgb, "progressive.jpg", progressive=True)
    save(grey, "grey.jpg")
    save(rgb.convert("CMYK"), "cmyk.jpg", quality=95)
    for mode in ("1", "L", "LA", "RGB", "RGBA", "P"):
        save(rgba.convert(mode), f"{mode}.png")
    save(palette, "transparent-places.png", transparency=bytes(range(0, 240, 10)))
    save(palette, "transparent-place.png", transparency=3)
    save(grey, "transparent-grey.png", transparency=grey.getpixel((5, 5)))
    save(rgb, "transparent-color.png", transparency=rgb.getpixel((5, 5)))
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        for ending in ("jpg", "png", "webp", "tif"):
            save(rgb, f"turned{orientation}.{ending}", exif=exif)
    for quality in (20, 95):
        save(rgb, f"lossy{quality}.webp", quality=quality)
        save(rgba, f"lossy-alpha{quality}.webp", quality=quality)
    save(rgba, "lossless.webp", lossless=True, exact=True)
    save(rgba, "animated.webp", save_all=True, append_images=[rgba.rotate(90)], lossless=True)
    for interlace in range(2):
        save(palette, f"interlace{interlace}.gif", interlace=interlace)
    save(palette, "transparent.gif", transparency=4)
    save(palette, "animated.gif", save_all=True, append_images=[palette.rotate(180)])
    for mode in ("1", "L", "P", "RGB", "RGBA"):
        save(rgba.convert(mode), f"{mode}.bmp")
    for mode in ("1", "L", "P", "RGB", "RGBA", "CMYK"):
        for compression in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"):
            save(rgba.convert(mode), f"{mode}-{compression}.tif", compression=compression)
    save(rgb.convert("1"), "group4.tif", compression="group4")
    save(rgb, "jpeg.tif", compression="jpeg")
    for compression in ("tiff_lzw", "jpeg"):
        save(rgb.convert("YCbCr"), f"YCbCr-{compression}.tif", compression=compression)


def see(path):
    image = Image.open(path)
    if image.format != "TIFF":  # which it turns on loading
        image = ImageOps.exif_transpose(image)
    if image.mode in ("LA", "RGBA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        ground = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(ground, image)
    image.convert("RGB").save(path + ".ppm")


def main():
    folder, others = sys.argv[1], sys.argv[2:]
    os.makedirs(folder, exist_ok=True)
    save_all(folder)
    for path in others:
        shutil.copy(path, os.path.join(folder, "other-" + os.path.basename(path)))
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        try:
            see(path)
        except (OSError, SyntaxError, ValueError):
            if not name.startswith("other-"):
                raise
            os.remove(path)


main()
