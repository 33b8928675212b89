#!/usr/bin/env bash
#
# run.sh SDK REPLICODE      tests the SDK in the folder SDK; what it builds is run by the command REPLICODE
#
# Prints a line per test; fails at the first that fails, with what it saw. Started by tests/tests/sdk.rs. Everything happens in
# a folder with a space in its name, with a copy of the SDK's small parts there: nothing may hold a path.

set -euo pipefail
export LC_ALL=C

TESTS=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly TESTS
[ $# -eq 2 ] || { sed -n '3,6s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 2; }
SOURCE_SDK=$(cd "$1" && pwd)
REPLICODE=$2
WORK=$(mktemp -d)/'a b'
mkdir "$WORK"
trap 'rm -rf "${WORK%/*}"' EXIT
cd "$WORK"

# a moved SDK: links instead of copies where something is large
mkdir -p sdk
cp -a "$SOURCE_SDK"/{bin,env,share} sdk/
ln -s "$SOURCE_SDK/libexec" "$SOURCE_SDK/sysroot" sdk/
export PATH=$WORK/sdk/bin:$PATH

fail() { printf 'sdk: %s FAILED: %s\n' "$name" "$*" >&2; exit 1; }
begin() { name=$1; }
end() { printf 'sdk: %s\n' "$name"; }
run() { "$REPLICODE" run "$@" 2>&1; }
same() { # WANTED SEEN
    [ "$1" = "$2" ] || fail "wanted <$1>, saw <$2>"
}
refused() { # COMMAND...: it must fail
    if "$@" >out.txt 2>&1; then fail "accepted: $*"; fi
}

begin 'a program'
cat >hello.c <<'END'
#include <stdio.h>
int main(int count, char **words) { printf("%s %d\n", count > 1 ? words[1] : "none", count); return 0; }
END
replicode-cc hello.c -o hello.wasm
same 'one 2' "$(run hello.wasm -- one)"
# the name is kept, and so are names of functions, whatever is asked for
replicode-cc -O2 -s -Wl,-s -Wl,--strip-debug -Wl,-S hello.c -o hello
same 'none 1' "$(run hello)"
replicode-nm hello >out.txt
grep -q ' T main$' out.txt || fail 'the name main is gone'
replicode-cc -g hello.c -o debug.wasm
replicode-objdump -h debug.wasm >out.txt
grep -q debug_line out.txt || fail '-g keeps no lines'
cp debug.wasm stripped.wasm
replicode-strip stripped.wasm
replicode-objdump -h stripped.wasm >out.txt
grep -q debug_ out.txt && fail 'strip leaves debug information'
replicode-nm stripped.wasm >out.txt
grep -q ' T main$' out.txt || fail 'strip takes names'
same 'none 1' "$(run stripped.wasm)"
end

begin 'names are shown by a trap'
printf 'int main(int n, char **w) { (void)w; if (n) __builtin_trap(); return 0; }\n' >trap.c
replicode-cc -O2 trap.c -o trap
run trap >out.txt || true
grep -q '!main' out.txt || fail "no name of a function in the message: $(cat out.txt)"
replicode-cc -g -O0 trap.c -o trap
run trap >out.txt || true
grep -q 'trap\.c:1' out.txt || fail "a trap of what was compiled with -g does not tell the line: $(tail -20 out.txt)"
end

begin 'link order'
cat >order.c <<'END'
#include <sys/socket.h>
int next(int l) { return accept(l, 0, 0); }
int main(void) { return next(socket(AF_INET, SOCK_STREAM, 0)) >= 0; }
END
replicode-cc order.c -o order
for call in accept4 send recv shutdown getsockopt; do
    printf '#include <sys/socket.h>\nint main(void) { return (int)(long)&%s + socket(1, 6, 0); }\n' $call >call.c
    replicode-cc -D_GNU_SOURCE call.c -o call || fail "$call before socket"
done
# a program's own function of the same name as one of the libraries
printf '#include <stddef.h>\n#include <sys/socket.h>\nsize_t strlcpy(char *d, const char *s, size_t n) { (void)d; (void)s; return n; }\nint inet_aton(void) { return 1; }\nint main(void) { return socket(1, 6, 0) >= 0 && strlcpy(0, 0, 1); }\n' >own.c
replicode-cc -fno-builtin own.c -o own
end

begin 'options that mean nothing here'
replicode-cc -m64 -march=native -fPIC -pie -rdynamic -pthread -flto -fstack-protector-strong -D_FORTIFY_SOURCE=2 -O2 -Werror -Wno-nonsense \
    -fcf-protection -fno-plt -Wl,--dynamic-list=list -Wl,--dynamic-list,list -Wl,-rpath,/x -Wl,-rpath -Wl,/x -Xlinker -rpath -Xlinker /x \
    -Wl,-soname,x.so.1 -Wl,-z,relro,-z,now -Wl,-z -Wl,noexecstack -z now -Wl,-E -Wl,--export-dynamic -Wl,--as-needed -Wl,-Bstatic \
    -Wl,--start-group -Wl,--end-group -Wl,-O1 -Wl,--hash-style=gnu -Wl,--build-id -Wl,--version-script=v.map \
    hello.c -o dropped.wasm -lm -lpthread -ldl -lrt -lutil -lcrypt -lresolv -lgcc
same 'none 1' "$(run dropped.wasm)"
replicode-cc -### -Wl,-z,stack-size=65536 hello.c >out.txt 2>&1
grep -q '"stack-size=65536"' out.txt || fail 'the stack is not as asked for'
replicode-cc -### hello.c >out.txt 2>&1
grep -q '"stack-size=1048576"' out.txt || fail 'the stack is not 1 MiB'
refused replicode-cc -shared hello.c -o libhello.so
grep -q 'no shared objects' out.txt || fail "$(cat out.txt)"
refused replicode-cc hello.c -Wl,--no-such-option
end

begin 'libraries only when linking'
replicode-cc -c hello.c -o hello.o
replicode-cc -E hello.c -o - >/dev/null
replicode-cc -S hello.c -o - >/dev/null
replicode-cc -MM hello.c >out.txt
grep -q 'hello.o: hello.c' out.txt || fail 'no dependencies'
replicode-cc -fsyntax-only hello.c
printf '#define X 1\n' >only.h
replicode-cc only.h -o only.pch
echo 'int main(void) { return 0; }' | replicode-cc -x c - -o piped
printf '%s\n' '-O2 "-DTEXT=\"a b\""' "'hello.o'" -o linked >words
replicode-cc @words
same 'none 1' "$(run linked)"
for question in --version -dumpmachine -dumpversion -print-search-dirs --print-sysroot --print-cmake --print-meson --help; do
    replicode-cc $question >out.txt 2>&1 || fail "$question: $(cat out.txt)"
done
same wasm32-wasi "$(replicode-cc -dumpmachine)"
replicode-cc --version >out.txt
grep -q 'clang version' out.txt || fail 'not recognised as clang'
[ -d "$(replicode-cc --print-sysroot)/include" ] || fail 'no headers in the sysroot'
end

begin 'what is defined'
replicode-cc -dM -E - </dev/null >defined
grep -q '__unix__ 1' defined || fail '__unix__ is not defined'
grep -qE '__linux|_GNU_SOURCE' defined && fail 'a name of Linux is defined'
replicode-cc -std=c11 -dM -E - </dev/null >out.txt
grep -q ' unix ' out.txt && fail 'unix is defined in ISO C'
replicode-c++ -dM -E -x c++ - </dev/null >out.txt
grep -q '_GNU_SOURCE 1' out.txt || fail 'C++ lacks _GNU_SOURCE'
end

begin 'headers of what is absent are absent'
for header in sys/inotify.h sys/sendfile.h sys/signalfd.h sys/ptrace.h mqueue.h spawn.h sys/shm.h; do
    printf '#include <%s>\n' $header >absent.c
    refused replicode-cc -c absent.c
    printf '#if __has_include(<%s>)\n#error here\n#endif\n' $header >absent.c
    replicode-cc -c absent.c || fail "__has_include finds $header"
done
# as autoconf asks: AC_CHECK_FUNC and AC_CHECK_HEADER
probe() { printf '#ifdef __cplusplus\nextern "C"\n#endif\nchar %s (void);\nint main (void) { return %s (); }\n' "$1" "$1" >conftest.c; replicode-cc -o conftest -g -O2 conftest.c >out.txt 2>&1; }
for function in inotify_init sendfile ptrace posix_spawn signalfd no_such_function; do
    probe $function && fail "configure would find $function"
done
for function in socket bind printf mmap getpid memcpy malloc setlocale; do
    probe $function || fail "configure would not find $function: $(cat out.txt)"
done
printf '#include <sys/mman.h>\n#include <signal.h>\n#include <sys/times.h>\n#include <sys/resource.h>\nint main(void) { return mmap(0, 1, PROT_READ, MAP_PRIVATE | MAP_ANON, -1, 0) == MAP_FAILED; }\n' >emulated.c
replicode-cc emulated.c -o emulated
end

begin 'what a header declares is in a library'
lib=$(replicode-cc --print-sysroot)/lib/wasm32-wasip1
replicode-nm -g --defined-only "$lib"/libc.a "$lib"/libposix.a sdk/libexec/clang/resource/lib/*/*.a 2>/dev/null | awk 'NF == 3 { print $3 }' | sort -u >have
headers=$(cd "$lib/../../include" && find . wasm32-wasip1 \( -path ./c++ -o -path ./bits -o -path ./wasm32-wasip1 -o -path '*/wasi' \) -prune -o -name '[!_]*.h' -print |
    sed 's,^\./,,; s,^wasm32-wasip1/,,' | sort -u)
for header in $headers; do
    case $header in replicode_*) continue ;; esac # imports
    printf '#include <%s>\n' "$header" >declares.c
    replicode-cc -D_GNU_SOURCE -fsyntax-only -w -fno-color-diagnostics -Xclang -ast-dump declares.c >ast 2>out.txt || fail "$header does not compile: $(cat out.txt)"
    # what clang implements itself has "implicit" or a body; what stands in a header as static or inline needs no library
    { grep -E '^[|`]-FunctionDecl' ast || true; } | { grep -vE " implicit |' (static|inline)" || true; } |
        sed -E "s/^.* ([A-Za-z_0-9]+) '.*/\1/" | sort -u | comm -23 - have | sed "s,^,$header ,"
done >lacking
if ! diff <(awk '{ print $2 }' lacking | sort -u | grep -vxFf <(sed 's/ *#.*//; /^$/d' "$TESTS/declared-and-absent") || true) /dev/null >out.txt; then
    fail "declared and in no library: $(cat out.txt)"
fi
end

begin 'setjmp'
cat >jump.c <<'END'
#include <setjmp.h>
#include <stdio.h>
static jmp_buf here;
static void deep(int n) { if (n == 0) longjmp(here, 7); deep(n - 1); }
int main(void) {
    volatile int turns = 0;
    int back = setjmp(here);
    if (back == 0) deep(5);
    if (back == 7 && turns++ < 1) deep(2);
    printf("%d %d\n", back, turns);
#ifdef sigsetjmp
    sigjmp_buf signal_too;
    if (sigsetjmp(signal_too, 1) == 0) siglongjmp(signal_too, 3);
    puts("sig");
#endif
    return 0;
}
END
replicode-cc -O2 jump.c -o jump
run jump >out.txt || fail "$(cat out.txt)"
grep -q '^7 ' out.txt || fail "$(cat out.txt)"
# two objects that use it: the tag is there once
printf '#include <setjmp.h>\njmp_buf other;\nint second(void) { return setjmp(other); }\n' >jump2.c
replicode-cc -O2 -Dmain=first jump.c jump2.c -c
printf 'int first(void);\nint second(void);\nint main(void) { return second() + first() - 0; }\n' >jump3.c
replicode-cc jump.o jump2.o jump3.c -lsetjmp -o jump3
run jump3 >out.txt || true
grep -q '^7 ' out.txt || fail "$(cat out.txt)"
end

begin 'C++'
replicode-c++ -O2 "$TESTS/exceptions.cpp" -o exceptions
same "$(cat "$TESTS/exceptions.expected")" "$(run exceptions)"
replicode-c++ -c "$TESTS/exceptions.cpp" -o exceptions.o
replicode-cc exceptions.o -lstdc++ -o linked-by-cc
same "$(cat "$TESTS/exceptions.expected")" "$(run linked-by-cc)"
end

begin 'the same program wherever the SDK stands'
# lines of headers and assertions of libc++ would tell
replicode-c++ -g -O0 "$TESTS/exceptions.cpp" -o same
cp same here
"$SOURCE_SDK/bin/replicode-c++" -g -O0 "$TESTS/exceptions.cpp" -o same
cmp -s same here || fail 'it differs'
end

begin make
mkdir plain
cat >plain/Makefile <<'END'
objects = one.o two.o three.o
program: $(objects) libfour.a
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(objects) -L. -lfour -lm
libfour.a: four.o
	$(AR) rcs $@ four.o
END
printf 'int two(void), three(void), four(void);\n#include <stdio.h>\nint main(void) { printf("%%d\\n", 1 + two() + three() + four()); }\n' >plain/one.c
for n in two three four; do printf 'int %s(void) { return 10; }\n' $n >plain/$n.c; done
make -s -j4 -C plain CC=replicode-cc AR=replicode-ar CFLAGS='-O2 -g -std=c99 -fPIE' LDFLAGS='-pie -Wl,-z,relro' program
same 31 "$(run plain/program)"
end

begin configure
mkdir auto
cat >auto/configure <<'END'
#!/bin/sh
# what autoconf does, in small: --host=, --enable-shared, CONFIG_SITE, a test that would have to be run
. "$CONFIG_SITE"
for option; do case $option in --host=*) host=${option#--host=} ;; --disable-shared) static=yes ;; esac done
printf 'int main(void) { return 0; }\n' >conftest.c
$CC -o conftest conftest.c || exit 1
printf 'CC = %s\nAR = %s\nall:\n\t$(CC) -o program program.c\n' "$CC" "$AR" >Makefile
echo "$host $static $ac_cv_func_realloc_0_nonnull $ac_cv_func_fork_works $PKG_CONFIG $ac_cv_c_bigendian"
END
chmod +x auto/configure
cp hello.c auto/program.c
same 'wasm32-wasi yes yes no replicode-pkg-config no' "$(cd auto && replicode-configure ./configure)"
make -s -C auto
same 'none 1' "$(run auto/program)"
mkdir nothing && touch nothing/CMakeLists.txt
refused replicode-configure nothing/configure
grep -q 'cmake -DCMAKE_TOOLCHAIN_FILE' out.txt || fail "$(cat out.txt)"
# after `source env` it is plain configure
same 'wasm32-wasi  yes no replicode-pkg-config no' "$(. sdk/env && cd auto && ./configure --host=wasm32-wasi)"
end

begin pkg-config
replicode-pkg-config --exists zlib && fail "libraries of this machine are offered"
end

begin CMake
if command -v cmake >/dev/null; then
    mkdir cmake
    cat >cmake/CMakeLists.txt <<'END'
cmake_minimum_required(VERSION 3.16)
project(probe C CXX)
include(CheckFunctionExists)
include(CheckIncludeFile)
include(CheckTypeSize)
check_function_exists(socket HAVE_SOCKET)
check_function_exists(inotify_init HAVE_INOTIFY)
check_include_file(sys/inotify.h HAVE_INOTIFY_H)
check_type_size(long LONG)
find_package(Threads)
add_library(part part.cpp)
add_executable(program main.c)
target_compile_definitions(program PRIVATE SAW="${HAVE_SOCKET}/${HAVE_INOTIFY}/${HAVE_INOTIFY_H}/${LONG}/${UNIX}")
target_link_libraries(program part m)
END
    printf '#include <string>\nextern "C" int part(int n) { try { throw std::string("x"); } catch (std::string &s) { return n + (int)s.size(); } }\n' >cmake/part.cpp
    printf '#include <stdio.h>\nint part(int);\nint main(void) { printf("%%s %%d\\n", SAW, part(1)); }\n' >cmake/main.c
    cmake -S cmake -B cmake/out "-DCMAKE_TOOLCHAIN_FILE=$(replicode-cc --print-cmake)" -DCMAKE_BUILD_TYPE=Release >out.txt 2>&1 || fail "$(cat out.txt)"
    grep -qi 'warning' out.txt && fail "$(cat out.txt)"
    cmake --build cmake/out >out.txt 2>&1 || fail "$(cat out.txt)"
    same '1///4/1 2' "$(run cmake/out/program.wasm)"
    end
else
    printf 'sdk: CMake: left out, there is no cmake on the PATH\n'
fi

begin Meson
if command -v meson >/dev/null && command -v ninja >/dev/null; then
    mkdir meson
    printf "project('probe', 'c')\ncc = meson.get_compiler('c')\nassert(cc.has_function('socket'))\nassert(not cc.has_function('inotify_init'))\nassert(not cc.has_header('sys/inotify.h'))\nexecutable('program', 'main.c')\n" >meson/meson.build
    cp hello.c meson/main.c
    (cd meson && meson setup --cross-file "$(replicode-cc --print-meson)" out && ninja -C out) >out.txt 2>&1 || fail "$(cat out.txt)"
    same 'none 1' "$(run meson/out/program)"
    end
else
    printf 'sdk: Meson: left out, there is no meson with ninja on the PATH\n'
fi

begin cargo
if [ -d "$(rustc --print target-libdir --target wasm32-wasip1 2>/dev/null)" ]; then
    mkdir -p crate/src
    # a crate with a C part, whose clocks and users are libposix's, beside Rust's own clocks and files
    printf '[package]\nname = "probe"\nversion = "0.1.0"\nedition = "2021"\n[workspace]\n' >crate/Cargo.toml
    cat >crate/build.rs <<'END'
use std::process::Command;
fn main() {
    let out = std::env::var("OUT_DIR").unwrap();
    let cc = std::env::var("CC_wasm32_wasip1").unwrap();
    assert!(Command::new(cc).args(["-O2", "-c", "part.c", "-o"]).arg(format!("{out}/part.o")).status().unwrap().success());
    println!("cargo:rustc-link-arg={out}/part.o");
}
END
    printf '#include <time.h>\n#include <sys/socket.h>\nint part(void) { struct timespec t; return clock_gettime(CLOCK_MONOTONIC, &t) + (socket(AF_INET, SOCK_STREAM, 0) < 0); }\n' >crate/part.c
    cat >crate/src/main.rs <<'END'
extern "C" { fn part() -> i32; }
fn main() {
    let start = std::time::Instant::now();
    std::fs::write("/note", "kept").unwrap();
    println!("{} {} {} {}", cfg!(tokio_unstable), unsafe { part() }, std::fs::read_to_string("/note").unwrap(), start.elapsed().as_secs());
}
END
    (cd crate && env -u CARGO_TARGET_DIR cargo replicode build --quiet) >out.txt 2>&1 || fail "$(cat out.txt)"
    same 'true 0 kept 0' "$(run crate/target/wasm32-wasip1/debug/probe.wasm)"
    end
else
    printf 'sdk: cargo: left out, there is no Rust target wasm32-wasip1\n'
fi
