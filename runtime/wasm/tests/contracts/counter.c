/* A counter in C: how often whom has counted, and for how much in all. */

#include "svm.h"

enum { TOTAL, BY_WHOM };

static uint8_t sender[20];
static struct {
    uint64_t by;
} args;
static uint64_t total;
static const int64_t bounds[4] = { 0, 0, -1, INT64_MAX };

SVM_EXPORT(add)
{
    svm_input(0, svm_at(&args), sizeof args);
    if (args.by > 1000) {
        svm_revert(1, svm_at(&args), sizeof args);
        __builtin_unreachable();
    }
    total = svm_get64(TOTAL) + args.by;
    svm_set64(TOTAL, total);
    svm_sender(svm_at(sender));
    svm_map_try_add((uint32_t)svm_open(BY_WHOM), args.by, 0, svm_at(bounds), svm_at(sender), sizeof sender);
    svm_output(svm_at(&total), sizeof total);
}

static uint8_t whom[20];
static uint8_t sum[16];

SVM_EXPORT(of)
{
    svm_input(0, svm_at(whom), sizeof whom);
    svm_map_get((uint32_t)svm_open(BY_WHOM), svm_at(whom), sizeof whom, svm_at(sum), sizeof sum);
    svm_output(svm_at(sum), sizeof sum);
}
