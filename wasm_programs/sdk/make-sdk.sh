# make-sdk.sh: builds build/sdk. Part of ../build.sh, which reads this file; it also builds our own guests with the result.
#
#   sdk/bin/                         what users call
#   sdk/env, sdk/share/              settings for shells, configure, CMake, Meson
#   sdk/libexec/clang/               clang and wasm-ld, out of the wheel; our nm, strip, objdump
#   sdk/sysroot/include/wasm32-wasip1/   libposix's headers, found first
#   sdk/sysroot/include/             libc's, without those of functions that do not exist
#   sdk/sysroot/lib/wasm32-wasip1/   crt1, libposix, libc, libc++
#
# The folder holds no path of its own: it can be moved and copied. Parts that did not change are taken from the last one.

readonly SDK=$BUILD/sdk SDK_PARTS=$BUILD/.sdk
# What libc, libposix and libc++ are compiled with.
readonly LIBRARY_FLAGS='-O2 -g0 -w'

sdk_cc() { "$SDK_PARTS/new/bin/replicode-cc" "$@"; }
sdk_cxx() { "$SDK_PARTS/new/bin/replicode-c++" "$@"; }
objtool() { "$SDK_PARTS/objtool/objtool" "$@"; }

# Runs FUNCTION unless its result in $SDK_PARTS/NAME stems from the same digest. It fills the folder that it is given.
sdk_part() { # NAME DIGEST FUNCTION
    local folder=$SDK_PARTS/$1
    if [ "$(cat "$folder/.digest" 2>/dev/null)" = "$2" ]; then return; fi
    say "sdk: $1"
    rm -rf "$folder" "$folder.part"
    mkdir -p "$folder.part"
    "$3" "$folder.part"
    echo "$2" >"$folder.part/.digest"
    mv "$folder.part" "$folder"
}

# nm, strip and objdump for this machine.
make_objtool() { # FOLDER
    local target=()
    if [ "$(uname -s)" = Linux ]; then target=(-target "$(uname -m)-linux-musl"); fi # static: runs anywhere
    (cd "$HERE/sdk/src" && zig cc "${target[@]}" -O2 -s -o "$1/objtool" objtool.c wasm_file.c)
}

# The C library of the wheel, compiled by zig when it links something; -s leaves its debug information out.
make_libc() { # FOLDER
    local line part work=$1/work
    mkdir -p "$work"
    echo 'int main(void) { return 0; }' >"$work/empty.c"
    # Relative, so that no folder's name can disturb the words of the line below.
    line=$(cd "$TOOLCHAIN" && ZIG_GLOBAL_CACHE_DIR=cache ZIG_LOCAL_CACHE_DIR=cache "$ZIG" cc -target wasm32-wasi -O2 -s -v \
        "$work/empty.c" -o "$work/empty.wasm" 2>&1 | grep '^wasm-ld ') || die "the C compiler did not build its library"
    for part in $line; do
        case $part in
            */crt1-command.o | */libc.a | */libzigc.a | */libcompiler_rt.a) cp "$TOOLCHAIN/$part" "$1/${part##*/}" ;;
        esac
    done
    for part in crt1-command.o libc.a libzigc.a libcompiler_rt.a; do
        [ -s "$1/$part" ] || die "the C compiler built no $part; remove $TOOLCHAIN/cache and try again"
    done
    rm -rf "$work"
}

# setjmp: the C part from the wheel's sources, and the tag of what longjmp throws, which the wheel lacks.
make_setjmp() { # FOLDER
    # shellcheck disable=SC2086 # flags are words
    sdk_cc $LIBRARY_FLAGS -c "$WHEEL/lib/libc/wasi/libc-top-half/musl/src/setjmp/wasm32/rt.c" -o "$1/setjmp.o"
    make_tag "$1" __c_longjmp
}

make_libposix() { # FOLDER
    local source
    for source in "$HERE"/libposix/src/*.c; do
        (cd "$HERE" && sdk_cc -std=gnu11 -O2 -g0 -Wall -Wextra -Werror -c "libposix/src/${source##*/}" \
            -o "$1/$(basename "$source" .c).o")
    done
    zig ar rcsD "$1/libposix.a" "$1"/*.o
    rm "$1"/*.o
}

# Extracts all members. Some have the same name as others: they get a number.
take_apart() { # ARCHIVE FOLDER
    (cd "$2" && zig ar x "$1" && zig ar t "$1" | awk -F/ 'seen[$NF]++ { print seen[$NF], $NF, $0 }' | while read -r number name member; do
        mv "$name" kept.o
        zig ar x "$1" "$member"
        mv "$name" "$number-$name"
        mv kept.o "$name"
    done)
}

# libc without what libposix has in its place. One name defined in both would be found twice as soon as a program needs a
# second function of the same object; so such objects go, and libposix must define all that they did.
prune_libc() { # FOLDER
    local member name missing clash
    objtool nm -g --defined-only "$SDK_PARTS/libposix/libposix.a" | awk 'NF == 3 { print $3 }' | sort -u >"$1/ours"
    mkdir "$1/o"
    take_apart "$SDK_PARTS/libc/libc.a" "$1/o"
    take_apart "$SDK_PARTS/libc/libzigc.a" "$1/o"
    for member in "$1"/o/*.o; do
        objtool nm -g --defined-only "$member" 2>/dev/null | awk 'NF == 3 && $2 ~ /[TD]/ { print $3 }' | sort -u >"$1/theirs"
        clash=$(comm -12 "$1/ours" "$1/theirs" | tr '\n' ' ')
        [ -n "$clash" ] || continue
        missing=$(comm -13 "$1/ours" "$1/theirs" | tr '\n' ' ')
        if [ -n "$missing" ]; then
            say "warning: libposix defines ${clash% } of libc's ${member##*/}, but not ${missing% }"
            continue
        fi
        rm "$member"
    done
    zig ar rcsD "$1/libc.a" "$1"/o/*.o "$SDK_PARTS/setjmp"/*.o
    rm -rf "$1/o" "$1/ours" "$1/theirs"
}

# libc++, libc++abi and the unwinder with exceptions, which the wheel has only as sources.
make_libcxx() { # FOLDER
    local source src=$WHEEL/lib/libcxx/src abi=$WHEEL/lib/libcxxabi unwind=$WHEEL/lib/libunwind sources=() jobs
    # shellcheck disable=SC2206 # flags are words
    local flags=(-std=c++23 $LIBRARY_FLAGS -MD -DNDEBUG "-ffile-prefix-map=$WHEEL=/wheel" -D_LIBCPP_BUILDING_LIBRARY -DLIBCXX_BUILDING_LIBCXXABI
        -D_LIBCXXABI_BUILDING_LIBRARY -DLIBC_NAMESPACE=__llvm_libc_common_utils
        "-I$src" "-I$WHEEL/lib/libcxx/libc" "-I$abi/include" "-I$abi/src")
    for source in "$src"/*.cpp "$src"/ryu/*.cpp "$src"/filesystem/*.cpp "$abi"/src/*.cpp; do
        case ${source##*/} in
            new.cpp | cxa_noexception.cpp | int128_builtins.cpp) ;; # libc++abi's, none, compiler-rt's
            *) sources+=("$source") ;;
        esac
    done
    jobs=$(nproc 2>/dev/null || echo 2)
    # shellcheck disable=SC2016 # for the inner shell
    printf '%s\0' "${sources[@]}" | OUT=$1 xargs -0 -n 1 -P "$jobs" sh -c '
        for source; do :; done
        folder=${source%/*}
        # of musl it expects copy_file_range, which is a call of Linux
        case $source in */operations.cpp) set -- -D_LIBCPP_HAS_MUSL_LIBC=0 "$@" ;; esac
        "$0" -c "$@" -o "$OUT/${folder##*/}-$(basename "$source" .cpp).o"' \
        "$SDK_PARTS/new/bin/replicode-c++" "${flags[@]}" || die "libc++ does not compile"
    # shellcheck disable=SC2086
    sdk_cc $LIBRARY_FLAGS -DNDEBUG -fdeclspec -fwasm-exceptions "-I$unwind/include" "-I$unwind/src" \
        -idirafter "$WHEEL/lib/libc/include/generic-musl" `# for the word thread_local in threads.h` \
        -c "$unwind/src/Unwind-wasm.c" -o "$1/unwind.o"
    make_tag "$1" __cpp_exception
    cat "$1"/*.d | tr -s ' \\' '\n\n' | sed -n 's|.*/sysroot/include/||p' | sed 's|^wasm32-wasip1/||' | grep -v '^c++/' | sort -u >"$1/headers"
    (cd "$1" && zig ar rcsD libc++.a ./*.o)
    rm "$1"/*.o "$1"/*.d
}

# The exception tag NAME as an object.
make_tag() { # FOLDER NAME
    printf '__asm__(".globl %s\\n.tagtype %s i32\\n%s:\\n");\n' "$2" "$2" "$2" >"$1/tag.c"
    (cd "$1" && sdk_cc -O2 -c tag.c -o "tag-$2.o" && rm tag.c)
}

# What libc++ is made from: of libposix only the headers that it was seen to include.
libcxx_digest() {
    local header
    {
        while read -r header; do
            if [ -e "$HERE/libposix/include/$header" ]; then echo "$HERE/libposix/include/$header"; fi
        done < <(cat "$SDK_PARTS/libcxx/headers" 2>/dev/null)
        echo "$HERE/sdk/share/libcxx_config_site"
    } | digest_of "$ZIGLANG_VERSION" "$LIBRARY_FLAGS" "$(declare -f make_libcxx)"
}

# ---------------------------------------------------------------------------------------------------------------------
# putting it together

# A copy that shares the files where the file system can.
share() { cp -al "$1" "$2" 2>/dev/null || cp -a "$1" "$2"; }

# Everything but the libraries, which are compiled with it.
lay_out_sdk() { # FOLDER
    local name clang=$1/libexec/clang include=$1/sysroot/include lib=$1/sysroot/lib/wasm32-wasip1
    mkdir -p "$clang/resource/lib/wasm32-unknown-wasip1" "$include" "$lib"
    cp -R "$HERE/sdk/bin" "$HERE/sdk/share" "$HERE/sdk/env" "$1/"
    ln -s replicode-cc "$1/bin/replicode-c++"
    for name in ranlib nm strip objdump ld pkg-config; do ln -s replicode-ar "$1/bin/replicode-$name"; done
    share "$WHEEL/zig" "$clang/zig"
    share "$WHEEL/lib/include" "$clang/resource/include"
    cp "$WHEEL/LICENSE" "$clang/LICENSE"
    printf '#!/bin/sh\nexec "${0%%/*}/zig" wasm-ld "$@"\n' >"$clang/wasm-ld"
    chmod +x "$clang/wasm-ld"
    cp "$SDK_PARTS/objtool/objtool" "$clang/objtool"
    cp -R "$WHEEL/lib/libc/include/generic-musl/." "$WHEEL/lib/libc/include/wasm-wasi-musl/." "$include/"
    cp -R "$HERE/libposix/include" "$include/wasm32-wasip1"
    mkdir "$include/c++"
    cp -R "$WHEEL/lib/libcxx/include" "$include/c++/v1"
    cp "$WHEEL/lib/libcxxabi/include"/*.h "$include/c++/v1/"
    cp "$HERE/sdk/share/libcxx_config_site" "$include/c++/v1/__config_site"
    rm "$1/share/libcxx_config_site"
    # zig hands the answers of __config_site over on the command line; here they are in a file again
    sed 's,^#define _LIBCPP___CONFIG$,&\n#include <__config_site>,' "$WHEEL/lib/libcxx/include/__config" >"$include/c++/v1/__config"
    # Libraries that programs name and that are part of libc, or have nothing to do.
    for name in m pthread dl rt util crypt resolv xnet setjmp c-printscan-long-double wasi-emulated-{signal,mman,process-clocks,getpid}; do
        printf '!<arch>\n' >"$lib/lib$name.a"
    done
}

# Takes out the headers of functions that are in no library.
hide_headers() { # FOLDER
    local header function lib=$1/sysroot/lib/wasm32-wasip1
    objtool nm -g --defined-only "$lib/libc.a" "$lib/libposix.a" | awk 'NF == 3 { print $3 }' | sort -u >"$1/functions"
    while read -r header function; do
        case $header in '#'* | '') continue ;; esac
        if [ -e "$HERE/libposix/include/$header" ] || grep -qxF -e "$function" "$1/functions"; then continue; fi
        rm -f "$1/sysroot/include/$header"
    done <"$HERE/sdk/absent-headers"
    rm "$1/functions"
}

# Builds or renews build/sdk. Without `c++` its C++ library is only taken along when it is there already and right.
build_sdk() { # [c++]
    local new=$SDK_PARTS/new lib=$SDK_PARTS/new/sysroot/lib/wasm32-wasip1 digest
    setup_c
    WHEEL=${ZIG%/zig}
    digest=$({ find "$HERE/sdk" -type f -not -path '*/tests/*'; find "$HERE/libposix" -name '*.[ch]'; } | sort | digest_of "$ZIGLANG_VERSION")
    if fresh .sdk "$SDK/bin/replicode-cc" "$digest" && { [ -z "${1:-}" ] || [ -e "$SDK/sysroot/lib/wasm32-wasip1/libc++.a" ]; }; then return; fi
    mkdir -p "$SDK_PARTS"
    rm -rf "$new"
    sdk_part objtool "$(printf '%s\n' "$HERE"/sdk/src/* | digest_of "$ZIGLANG_VERSION")" make_objtool
    lay_out_sdk "$new"
    sdk_part libc "$ZIGLANG_VERSION $(declare -f make_libc | sha256)" make_libc
    cp "$SDK_PARTS/libc/crt1-command.o" "$lib/"
    cp "$SDK_PARTS/libc/libcompiler_rt.a" "$new/libexec/clang/resource/lib/wasm32-unknown-wasip1/libclang_rt.builtins.a"
    cp "$SDK_PARTS/libc/libcompiler_rt.a" "$new/sysroot/lib/libclang_rt.builtins.a" # for rustc
    sdk_part setjmp "$ZIGLANG_VERSION $(declare -f make_setjmp make_tag | sha256)" make_setjmp
    sdk_part libposix "$(find "$HERE/libposix" -name '*.[ch]' | sort | digest_of "$ZIGLANG_VERSION" "$(cat "$HERE/sdk/bin/replicode-cc")")" make_libposix
    cp "$SDK_PARTS/libposix/libposix.a" "$lib/"
    sdk_part pruned "$(cat "$SDK_PARTS"/{libc,setjmp,libposix}/.digest | sha256) $(declare -f prune_libc | sha256)" prune_libc
    cp "$SDK_PARTS/pruned/libc.a" "$lib/"
    hide_headers "$new"
    if [ "${1:-}" = c++ ]; then
        if [ "$(cat "$SDK_PARTS/libcxx/.digest" 2>/dev/null)" != "$(libcxx_digest)" ]; then
            sdk_part libcxx anew make_libcxx
            libcxx_digest >"$SDK_PARTS/libcxx/.digest" # it knows its headers only now
        fi
    fi
    if [ -e "$SDK_PARTS/libcxx/libc++.a" ] && [ "$(cat "$SDK_PARTS/libcxx/.digest")" = "$(libcxx_digest)" ]; then
        cp "$SDK_PARTS/libcxx/libc++.a" "$lib/"
        cp "$lib/libm.a" "$lib/libc++abi.a"
        cp "$lib/libm.a" "$lib/libunwind.a"
    fi
    rm -rf "$SDK_PARTS/old"
    if [ -e "$SDK" ]; then mv "$SDK" "$SDK_PARTS/old"; fi
    mv "$new" "$SDK"
    rm -rf "$SDK_PARTS/old"
    echo "$digest" >"$STAMPS/.sdk"
}
