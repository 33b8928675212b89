#!/usr/bin/env bash
#
# readme.sh REPLICODE       runs the commands of wasm_programs/README.md, section "Your own program", word for word
#
# Each block is taken from the page and run in a folder with a small project of its kind, and what it makes is run by the
# command REPLICODE. A kind whose tool is not installed is left out, and that is said. Started by tests/tests/sdk.rs.

set -euo pipefail
export LC_ALL=C

PROGRAMS=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
[ $# -eq 1 ] || { sed -n '3,6s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 2; }
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
mkdir "$WORK/bin" "$WORK/replicode"
ln -s "$(realpath "$1")" "$WORK/bin/replicode"
# a folder that looks like a checkout, where hello.c may be written
ln -s "$PROGRAMS" "$WORK/replicode/wasm_programs"
cd "$WORK/replicode"
export PATH=$WORK/bin:$PATH
unset CARGO_TARGET_DIR

fail() { printf 'readme: %s FAILED: %s\n' "$title" "$*" >&2; exit 1; }
block() { # LANGUAGE TITLE: the first block of that language below that title
    awk -v title="$2" -v fence="\`\`\`$1" '
        /^##/ { in_section = ($0 == "## " title || $0 == "### " title) }
        in_section && $0 == "```" && inside { exit }
        inside { print }
        in_section && $0 == fence { inside = 1 }' "$PROGRAMS/README.md"
}
follow() { # TITLE: runs its commands
    title=$1
    local commands
    commands=$(block sh "$1")
    [ -n "$commands" ] || fail 'the page has no commands under this title'
    bash -euo pipefail -c "$commands" >out.txt 2>&1 || fail "$(cat out.txt)"
}
prints() { # WANTED COMMAND...
    local seen
    seen=$("${@:2}" 2>&1) || fail "$seen"
    [ "$seen" = "$1" ] || fail "wanted <$1>, saw <$seen>"
    printf 'readme: %s\n' "$title"
}
begin() { mkdir -p "$WORK/$1"; cd "$WORK/$1"; }

hello='#include <stdio.h>
int main(void) { puts("hello"); return 0; }'
echo "$hello" >hello.c
follow 'Your own program'
[ "$(tail -n 1 out.txt)" = hello ] || fail "$(cat out.txt)"
prints hello replicode run hello.wasm
export PATH=$WORK/replicode/wasm_programs/build/sdk/bin:$PATH # as the page says

begin make
echo "$hello" >program.c
printf 'part.a: part.o\n\t$(AR) rcs $@ part.o\nprogram: program.o part.a\n\t$(CC) -o $@ program.o part.a\n.DEFAULT_GOAL = program\n' >Makefile
echo 'int part;' >part.c
follow 'A Makefile'
prints hello replicode run program

begin configure
echo "$hello" >program.c
# shellcheck disable=SC2016 # for make and for configure
printf '#!/bin/sh\n. "$CONFIG_SITE"\nprintf "all:\\n\\t%%s -o program program.c\\n" "$CC" >Makefile\n' >configure
chmod +x configure
cp -R . "$WORK/replicode/project"
follow configure
prints hello replicode run program
cd "$WORK/replicode"
follow 'The same with the names that everything knows'
prints hello replicode run project/program

if command -v cmake >/dev/null; then
    begin cmake
    echo "$hello" >program.c
    printf 'cmake_minimum_required(VERSION 3.16)\nproject(probe C)\nadd_executable(program program.c)\n' >CMakeLists.txt
    follow CMake
    prints hello replicode run out/program.wasm
else
    echo 'readme: CMake: left out, there is no cmake on the PATH'
fi

if command -v meson >/dev/null && command -v ninja >/dev/null; then
    begin meson
    echo "$hello" >program.c
    printf "project('probe', 'c')\nexecutable('program', 'program.c')\n" >meson.build
    follow Meson
    prints hello replicode run out/program
else
    echo 'readme: Meson: left out, there is no meson with ninja on the PATH'
fi

begin c++
printf '#include <iostream>\n#include <stdexcept>\nint main() { try { throw std::runtime_error("hello"); } catch (std::exception &e) { std::cout << e.what() << "\\n"; } }\n' >server.cpp
follow 'C++'
prints hello replicode run server.wasm

if command -v cargo >/dev/null; then
    begin crate
    mkdir src
    { printf '[package]\nname = "probe"\nversion = "0.1.0"\nedition = "2021"\n'; block toml Cargo; } >Cargo.toml
    # the versions that the project is built with
    cp "$PROGRAMS/rust/Cargo.lock" .
    printf 'use replicode_guest::net::{TcpListener, TcpStream};\nfn main() {\n    let listener = TcpListener::bind("127.0.0.1:7000").unwrap();\n    let _client = TcpStream::connect("127.0.0.1:7000").unwrap();\n    listener.accept().unwrap();\n    println!("hello");\n}\n' >src/main.rs
    follow Cargo
    prints hello replicode run target/wasm32-wasip1/release/probe.wasm
else
    echo 'readme: Cargo: left out, there is no cargo on the PATH'
fi
