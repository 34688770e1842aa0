#!/usr/bin/env python3
"""Writes layout.txt: where a C compiler puts each field of the structs of the
PJRT C API, and the order of its functions. Needs the header (xla/pjrt/c/
pjrt_c_api.h of openxla/xla, or the copy in the Go module github.com/gomlx/go-xla)
and gcc for amd64; layout_test.go needs neither.

    layout.py pjrt_c_api.h > layout.txt
"""
import re
import subprocess
import sys
import tempfile
from pathlib import Path

header = Path(sys.argv[1]).resolve()
text = re.sub(r"//[^\n]*", "", header.read_text())
lines = ["#include <stdio.h>", "#include <stddef.h>", f'#include "{header}"', "int main() {",
         'printf("version %d.%d\\n", PJRT_API_MAJOR, PJRT_API_MINOR);']
structs = [(m[1], m[2]) for m in re.finditer(r"\nstruct (PJRT_\w+) \{(.*?)\n\};", text, re.S)]
structs += [(m[2], m[1]) for m in re.finditer(r"\ntypedef struct (?:\w+ )?\{(.*?)\n\} (PJRT_\w+);", text, re.S)]
for name, body in structs:
    fields = []
    depth = 0
    for statement in re.split(r";", re.sub(r"union\s*\{", "", body).replace("}", "")):
        statement = statement.strip()
        f = re.search(r"\(\*(\w+)\)\s*\(", statement) or re.search(r"(\w+)\s*(?:\[[^\]]*\])?$", statement)
        macro = re.match(r"_PJRT_API_STRUCT_FIELD\((\w+)\)", statement)
        if macro:
            fields.append(macro[1])
        elif f and statement:
            fields.append(f[1])
    lines.append(f'printf("{name} %zu\\n", sizeof({name}));')
    for f in fields:
        lines.append(f'printf("\\t{f} %zu %zu\\n", offsetof({name}, {f}), sizeof((({name}*)0)->{f}));')
lines += ["return 0;", "}"]
with tempfile.TemporaryDirectory() as d:
    source = Path(d, "layout.c")
    source.write_text("\n".join(lines))
    subprocess.run(["gcc", "-w", "-o", str(Path(d, "layout")), str(source)], check=True)
    sys.stdout.write(subprocess.run([str(Path(d, "layout"))], check=True, capture_output=True, text=True).stdout)
