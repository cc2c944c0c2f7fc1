#!/usr/bin/env python3
"""Makes the training text: English prose out of the documentation in Debian packages.

    python corpus.py --work build/train          # downloads, unpacks, filters, writes JSON lines

Packages are fetched with `apt-get download` and unpacked with `dpkg -x`; nothing is installed.
Every package is from Debian 12 "main", so under a free licence; `PACKAGES` says which one.

Written to the work folder:
    train.jsonl, heldout.jsonl   one document a line: {"id": "package/path", "text": "..."}
    corpus.json                  package, version, licence, sha256, documents and bytes kept

A document is one file (dictionaries: 64 entries). It is held out when the first four bytes of
sha256(id) are 0 modulo 100. A paragraph that occurs twice is kept once, so none is in both parts.
Deterministic: files are read in sorted order, and no random numbers are drawn.
"""
import argparse
import gzip
import hashlib
import html
import json
import re
import subprocess
from collections import Counter
from pathlib import Path

# package: (licence of the text, which files, as a regular expression over the path)
PACKAGES = {
    "abs-guide": ("public domain", r"\.html$"),
    "apache2-doc": ("Apache-2.0", r"/manual/en/.*\.html$"),
    "aptitude-doc-en": ("GPL-2+", r"\.html$"),
    "bind9-doc": ("MPL-2.0", r"\.html$"),
    "buildbot-doc": ("GPL-2", r"\.html$"),
    "ceres-solver-doc": ("BSD-3-Clause", r"\.html$"),
    "cinder-doc": ("Apache-2.0", r"\.html$"),
    "clang-14-doc": ("Apache-2.0 with LLVM exceptions", r"\.html$"),
    "cmake-doc": ("BSD-3-Clause", r"\.html$"),
    "debian-handbook": ("CC-BY-SA-3.0 or GPL-2+", r"/en-US/.*\.html$"),
    "debian-policy": ("GPL-2+", r"\.html$"),
    "debian-reference-en": ("GPL-2+", r"\.en\.html$"),
    "debmake-doc": ("Expat", r"\.en\.html$"),
    "developers-reference": ("GPL-2+", r"\.html$"),
    "dict-foldoc": ("GFDL-1.1+, no invariant sections", r"\.dict\.dz$"),
    "dict-jargon": ("public domain", r"\.dict\.dz$"),
    "dpdk-doc": ("BSD-3-Clause", r"/guides/.*\.html$"),
    "erlang-doc": ("Apache-2.0", r"\.html$"),
    "exim4-doc-html": ("GPL-2+", r"\.html$"),
    "freedombox-doc-en": ("CC-BY-SA-4.0", r"/manual/en/.*\.html$"),
    "ghc-doc": ("BSD-3-Clause", r"/users_guide/.*\.html$"),
    "git-doc": ("GPL-2", r"\.html$"),
    "gnome-user-docs": ("CC-BY-SA-3.0", r"/help/C/.*\.(page|docbook|xml)$"),
    "harden-doc": ("GPL-2+", r"/en-US/.*\.html$"),
    "installation-guide-amd64": ("GPL-2", r"/en/.*\.html$"),
    "ironic-doc": ("Apache-2.0", r"\.html$"),
    "kicad-doc-en": ("GPL-3+ or CC-BY-3.0", r"\.html$"),
    "libboost1.81-doc": ("BSL-1.0", r"\.html$"),
    "libeigen3-doc": ("MPL-2.0", r"\.html$"),
    "libreoffice-help-en-us": ("MPL-2.0", r"\.html$"),
    "libvirt-doc": ("LGPL-2.1+", r"\.html$"),
    "linux-doc-6.1": ("GPL-2", r"/html/.*\.html$"),
    "llvm-14-doc": ("Apache-2.0 with LLVM exceptions", r"\.html$"),
    "maint-guide": ("GPL-2+", r"\.en\.html$"),
    "neutron-doc": ("Apache-2.0", r"\.html$"),
    "nodejs-doc": ("Expat", r"\.html$"),
    "nova-doc": ("Apache-2.0", r"\.html$"),
    "opencv-doc": ("Apache-2.0", r"/[^/]*tutorial[^/]*\.html$"),
    "openvswitch-doc": ("Apache-2.0", r"\.html$"),
    "perl-doc": ("GPL-1+ or Artistic", r"\.pod$"),
    "postfix-doc": ("IPL-1.0 or EPL-2.0", r"\.html$"),
    "postgresql-doc-15": ("PostgreSQL", r"\.html$"),
    "python-astropy-doc": ("BSD-3-Clause", r"\.html$"),
    "python-brian-doc": ("CeCILL-2", r"\.html$"),
    "python-celery-doc": ("BSD-2-Clause and CC-BY-SA-4.0", r"\.html$"),
    "python-dask-doc": ("BSD-3-Clause", r"\.html$"),
    "python-distributed-doc": ("BSD-3-Clause", r"\.html$"),
    "python-django-doc": ("BSD-3-Clause", r"\.html$"),
    "python-pandas-doc": ("BSD-3-Clause", r"\.html$"),
    "python-scipy-doc": ("BSD-3-Clause", r"\.html$"),
    "python-scrapy-doc": ("BSD-3-Clause", r"\.html$"),
    "python-skimage-doc": ("BSD-3-Clause", r"\.html$"),
    "python-sklearn-doc": ("BSD-3-Clause", r"\.html$"),
    "python-sqlalchemy-doc": ("Expat", r"\.html$"),
    "python-statsmodels-doc": ("BSD-3-Clause", r"\.html$"),
    "python-xarray-doc": ("Apache-2.0", r"\.html$"),
    "python3.11-doc": ("PSF-2.0", r"\.html$"),
    "r-doc-html": ("GPL-2+", r"\.html$"),
    "racket-doc": ("LGPL-2.1+", r"\.html$"),
    "rust-doc": ("MIT or Apache-2.0",
                 r"/html/(book|cargo|reference|nomicon|rustc|rustdoc|rust-by-example|embedded-book|"
                 r"edition-guide|unstable-book|std)/.*\.html$"),
    "sphinx-doc": ("BSD-2-Clause", r"\.html$"),
    "sqlite3-doc": ("public domain", r"\.html$"),
    "twisted-doc": ("Expat", r"\.html$"),
}

# Source listings, indexes, translations, change logs and licence texts are not prose.
SKIP = re.compile(r"/_modules/|/_sources/|/_static/|/translations/|/src/|genindex|/search|changelog|"
                  r"change_log|licen[cs]e|copyright|whatsnew|whats_new|release[-_]?notes|/releases/|"
                  r"relnotes|classindex|modindex|_source\.html", re.I)

STOP_WORDS = set("the of to a and is in for that be this it as are on with by or an can not if from "
                 "you which will at have has was but when all they their there one more may these "
                 "your than its we some other also so such no only into then use used do".split())
ASCII_FOR = str.maketrans({"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u2013": "-",
                           "\u2014": " - ", "\u2026": "...", "\u00a0": " ", "\u2011": "-", "\u2010": "-",
                           "\u200b": "", "\u2212": "-", "\u00ad": ""})


def paragraphs_of_html(source):
    """The text of <p> (and of <dd>, <li> without inner blocks), outside code, tables and asides."""
    source = re.sub(r"<!--.*?-->", " ", source, flags=re.S)
    source = re.sub(r"<(pre|script|style|table|nav|header|footer|svg|math|head|h[1-6]|dt|screen|code)\b"
                    r"(?=[^>]*>[^<]*(?:\n[^<]*){2,})[^>]*>.*?</\1\s*>", "\n", source, flags=re.S | re.I)
    source = re.sub(r"<(pre|script|style|table|nav|header|footer|svg|math|head|h[1-6]|dt|screen)\b[^>]*>"
                    r".*?</\1\s*>", "<p>", source, flags=re.S | re.I)
    source = re.sub(r'<a class="(?:headerlink|source|sig)[^>]*>.*?</a>', "", source, flags=re.S)
    source = re.sub(r"<sup\b.*?</sup>", "", source, flags=re.S | re.I)
    # Any block tag ends a paragraph; what is left between two of them is running text.
    blocks = re.split(r"</?(?:p|div|li|ul|ol|dl|dd|dt|td|tr|section|article|blockquote|note|item|title|"
                      r"para|body|h[1-6]|hr|br)\b[^>]*>", source, flags=re.I)
    for block in blocks:
        if len(block) > 60:
            yield html.unescape(re.sub(r"<[^>]*>", "", block))


def paragraphs_of_pod(source):
    for block in re.split(r"\n\s*\n", source):
        if block and not block[0].isspace() and not block.startswith("="):
            for _ in range(3):  # nested C<...>, L<text|target>
                block = re.sub(r"L<([^<>|]*)\|[^<>]*>", r"\1", block)
                block = re.sub(r"\b[A-Z]<<? ?([^<>]*?) ?>?>", r"\1", block)
            yield block


def paragraphs_of_dictionary(source):
    for block in re.split(r"\n\s*\n", source):
        yield re.sub(r"[{}]", "", re.sub(r"^\s*(?:<[^>]*>|\d+\.)", "", block))


def clean(text):
    """One paragraph on one line, or None when it does not read as English sentences."""
    text = re.sub(r"\s+", " ", text.translate(ASCII_FOR)).strip()
    text = re.sub(r" \[\d+\]|\s?\(https?:[^)]*\)|\u00b6", "", text)
    text = re.sub(r" ([.,;:!?)])(?= |$)", r"\1", text)
    if not 80 <= len(text) <= 2400 or not text.isascii():
        return None
    if not re.match(r"[A-Z\"'(]", text) or not re.search(r"[.!?:][)\"']?$", text):
        return None
    if re.search(r"https?:|www\.|://|@\w|\\|[{}<>|~^=]|\(\)|::|--|__|\.\.\.\.|->|%\w|&\w|copyright", text, re.I):
        return None
    words = text.split()
    letters = sum(c.isalpha() for c in text)
    spaces = len(words) - 1
    if (letters + spaces) / len(text) < 0.93 or not 3.6 <= len(text) / len(words) <= 7.6:
        return None
    plain = [w.strip(".,;:!?()\"'").lower() for w in words]
    if sum(w in STOP_WORDS for w in plain) < 0.28 * len(words):
        return None
    # Words no reader would call words: identifiers, paths, option names, CamelCase, numbers.
    odd = sum(bool(re.search(r"[_/*#$+\[\]]|\w\.\w|[a-z][A-Z]|\d|^-", w)) for w in words)
    capitals = sum(len(w) > 1 and w.isupper() for w in plain_case(words))
    if odd > 0.08 * len(words) or capitals > 0.15 * len(words):
        return None
    return text


def plain_case(words):
    return [w.strip(".,;:!?()\"'") for w in words]


class Filter:
    """Keeps a paragraph once, and at most three that begin with the same five words."""

    def __init__(self):
        self.seen, self.openings = set(), Counter()

    def admit(self, text):
        letters = re.sub(r"[^a-z]+", "", text.lower())
        key = hashlib.sha256(letters.encode()).digest()[:12]
        opening = " ".join(text.lower().split()[:5])
        if key in self.seen or self.openings[opening] >= 3:
            return False
        self.seen.add(key)
        self.openings[opening] += 1
        return True


def documents(package, root, pattern):
    wanted = re.compile(pattern)
    for path in sorted(p for p in root.rglob("*") if p.is_file() and not p.is_symlink()):
        name = "/" + str(path.relative_to(root)).removesuffix(".gz")
        if not wanted.search(name) or SKIP.search(name):
            continue
        raw = path.read_bytes()
        if path.suffix in (".gz", ".dz"):
            raw = gzip.decompress(raw)
        source = raw.decode("utf-8", "replace")
        if name.endswith(".pod"):
            yield f"{package}{name}", paragraphs_of_pod(source)
        elif name.endswith(".dz"):
            blocks = list(paragraphs_of_dictionary(source))
            for start in range(0, len(blocks), 256):  # about 64 entries
                yield f"{package}{name}#{start}", blocks[start:start + 256]
        else:
            yield f"{package}{name}", paragraphs_of_html(source)


def fetch(package, work):
    """The package's file and its unpacked tree, downloaded on the first call."""
    debs = work / "debs"
    debs.mkdir(parents=True, exist_ok=True)
    found = sorted(debs.glob(f"{package}_*.deb"))
    if not found:
        subprocess.run(["apt-get", "download", "-q", package], cwd=debs, check=True)
        found = sorted(debs.glob(f"{package}_*.deb"))
    root = work / "unpacked" / package
    if not root.exists():
        root.mkdir(parents=True)
        subprocess.run(["dpkg", "-x", str(found[-1]), str(root)], check=True)
    return found[-1], root


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("build/train"))
    work = parser.parse_args().work
    admitted, record = Filter(), []
    with open(work / "train.jsonl", "w") as train, open(work / "heldout.jsonl", "w") as heldout:
        for package, (licence, pattern) in sorted(PACKAGES.items()):
            deb, root = fetch(package, work)
            version = subprocess.run(["dpkg-deb", "-f", str(deb), "Version"], check=True,
                                     capture_output=True, text=True).stdout.strip()
            kept, size = 0, 0
            for identifier, blocks in documents(package, root, pattern):
                texts = [t for t in map(clean, blocks) if t and admitted.admit(t)]
                if not texts:
                    continue
                text = "\n".join(texts)
                digest = hashlib.sha256(identifier.encode()).digest()
                part = heldout if int.from_bytes(digest[:4], "big") % 100 == 0 else train
                part.write(json.dumps({"id": identifier, "text": text}) + "\n")
                kept, size = kept + 1, size + len(text)
            record.append({"package": package, "version": version, "licence": licence, "documents": kept,
                           "bytes": size, "sha256": hashlib.sha256(deb.read_bytes()).hexdigest()})
            print(f"{package:28} {version:32} {kept:6} documents {size / 1e6:7.2f} MB", flush=True)
    (work / "corpus.json").write_text(json.dumps(record, indent=1) + "\n")
    print(f"total {sum(r['bytes'] for r in record) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
