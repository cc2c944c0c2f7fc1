"""The page of the shipped models has a section for each of them; every section has its own writer."""


def replace_section(path, section):
    """Puts a section, `# Heading` and what follows it, in the place of the one with that heading in a page, or at the
    page's end. A section ends before the next line that starts with `# `."""
    heading = section.split("\n", 1)[0]
    assert heading.startswith("# "), heading
    lines = path.read_text().split("\n") if path.exists() else []
    starts = [i for i, line in enumerate(lines) if line.startswith("# ")] + [len(lines)]
    sections = ["\n".join(lines[a:b]).strip() for a, b in zip(starts, starts[1:])]
    places = [i for i, text in enumerate(sections) if text.split("\n", 1)[0] == heading]
    if places:
        sections[places[0]] = section.strip()
    else:
        sections.append(section.strip())
    path.write_text("\n\n".join(sections) + "\n")
