"""Products as the archives that agencies deliver."""

import tarfile
import zipfile


def packed(folder, kind):
    """Pack a folder with its name, as agencies do; "nested" is a zip in a tar.gz."""
    path = folder.parent / f"{folder.name}.{kind.replace('nested', 'tar.gz').replace('stored', 'zip')}"
    if kind in ("zip", "stored"):
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED if kind == "zip" else zipfile.ZIP_STORED) as made:
            for file in sorted(folder.rglob("*")):
                made.write(file, f"{folder.name}/{file.name}")
    elif kind == "nested":
        with tarfile.open(path, "w:gz") as made:
            made.add(packed(folder, "zip"), f"{folder.name}.ZIP")
    else:
        with tarfile.open(path, "w:gz" if kind.endswith("gz") else "w") as made:
            made.add(folder, folder.name)
    return path
