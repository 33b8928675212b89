/* cpu: computes and makes no system calls until it prints one checksum.
 *
 *   cpu [ITERATIONS]   default 10
 *
 * Three integer workloads: memory-bound (a sieve), arithmetic (mixing rounds as in a hash function), and branchy with
 * indirect jumps (a small interpreter). Used to compare engines and settings; the checksum must not depend on them. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint32_t rotate(uint32_t x, int bits) { return x << bits | x >> (32 - bits); }

/* Counts the primes below LIMIT. */
static uint32_t sieve(uint32_t seed) {
    enum { LIMIT = 1 << 20 };
    static unsigned char composite[LIMIT];
    uint32_t primes = 0;
    memset(composite, 0, sizeof composite);
    for (uint32_t i = 2; i < LIMIT; i++) {
        if (composite[i])
            continue;
        primes += i ^ seed;
        for (uint64_t j = (uint64_t)i * i; j < LIMIT; j += i)
            composite[j] = 1;
    }
    return primes;
}

/* Mixes a block the way hash functions do: add, rotate, exclusive or. */
static uint32_t mix(uint32_t seed) {
    uint32_t s[8], w[16];
    for (uint32_t i = 0; i < 8; i++)
        s[i] = seed * 2654435761u + i;
    for (uint32_t i = 0; i < 16; i++)
        w[i] = s[i & 7] ^ i * 0x9e3779b9u;
    for (uint32_t round = 0; round < 400000; round++) {
        uint32_t t = s[7] + (rotate(s[4], 26) ^ rotate(s[4], 21) ^ rotate(s[4], 7)) + ((s[4] & s[5]) ^ (~s[4] & s[6])) +
                     w[round & 15];
        uint32_t u = (rotate(s[0], 30) ^ rotate(s[0], 19) ^ rotate(s[0], 10)) + ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
        w[round & 15] += rotate(w[(round + 1) & 15], 25) ^ rotate(w[(round + 14) & 15], 15);
        for (int i = 7; i > 0; i--)
            s[i] = s[i - 1];
        s[4] += t;
        s[0] = t + u;
    }
    return s[0] ^ s[3] ^ s[7];
}

/* A stack-less virtual machine with eight registers, running a loop of its own. */
static uint32_t interpret(uint32_t seed) {
    enum op { ADD, XOR, SHIFT, MULTIPLY, LOAD, STORE, DECREMENT, JUMP_UNLESS_ZERO, HALT };
    static const struct {
        uint8_t op, a, b, c;
    } program[] = {
        {ADD, 1, 1, 2},  {MULTIPLY, 3, 1, 4},     {SHIFT, 5, 3, 13}, {XOR, 1, 1, 5},           {STORE, 1, 3, 0},
        {LOAD, 6, 5, 0}, {ADD, 2, 2, 6},          {XOR, 4, 4, 2},    {DECREMENT, 0, 0, 0},     {JUMP_UNLESS_ZERO, 0, 0, 0},
        {HALT, 0, 0, 0},
    };
    static uint32_t memory[1024];
    uint32_t r[8] = {300000, seed, 3, 0, 5, 0, 0, 0};
    for (size_t pc = 0;; pc++) {
        uint8_t a = program[pc].a, b = program[pc].b, c = program[pc].c;
        switch ((enum op)program[pc].op) {
        case ADD: r[a] = r[b] + r[c]; break;
        case XOR: r[a] = r[b] ^ r[c]; break;
        case SHIFT: r[a] = rotate(r[b], c); break;
        case MULTIPLY: r[a] = r[b] * (r[c] | 1); break;
        case LOAD: r[a] = memory[r[b] & 1023]; break;
        case STORE: memory[r[b] & 1023] = r[a]; break;
        case DECREMENT: r[a]--; break;
        case JUMP_UNLESS_ZERO:
            if (r[a] != 0)
                pc = (size_t)b - 1; /* the loop adds one */
            break;
        case HALT: return r[1] ^ r[2] ^ r[4];
        }
    }
}

int main(int argc, char **argv) {
    int iterations = argc > 1 ? atoi(argv[1]) : 10;
    uint32_t checksum = 1;
    for (int i = 0; i < iterations; i++) {
        checksum = rotate(checksum, 5) ^ sieve(checksum);
        checksum = rotate(checksum, 5) ^ mix(checksum);
        checksum = rotate(checksum, 5) ^ interpret(checksum);
    }
    printf("cpu: %d iterations, checksum %08" PRIx32 "\n", iterations, checksum);
    return 0;
}
