/* A QEMU plugin that counts how often each block of code runs, and how often what runs next is not what
 * follows it in memory: with the timing of each instruction that gives cycles (foldtiny/device/cycles).
 * It also counts how often data is read from flash, where a board makes the processor wait.
 *
 * Arguments: start=ADDRESS begins counting when the block at that address runs, stop=ADDRESS (may be
 * repeated) ends it, flash=FIRST-END says which addresses are flash, out=FILE receives a line with
 * the number of words (or less) that were read from there and a line "first end executed taken" for each
 * block, once, after the first stop.
 *
 * No package ships QEMU's plugin header; the declarations below are the documented interface, version 1.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

typedef uint64_t qemu_plugin_id_t;
struct qemu_info_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef void (*translate_callback)(qemu_plugin_id_t id, struct qemu_plugin_tb *block);
typedef void (*execute_callback)(unsigned cpu, void *data);
typedef void (*memory_callback)(unsigned cpu, uint32_t access, uint64_t address, void *data);

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, translate_callback callback);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *block, execute_callback callback, int flags,
                                          void *data);
void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *instruction, memory_callback callback,
                                      int flags, int accesses, void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *block);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *block, size_t index);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *instruction);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *instruction);

EXPORT int qemu_plugin_version = 1;
EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info_t *info, int argc, char **argv);

/* All accesses: QEMU 7.2 calls back for few of the reads where reads alone are asked for. Nothing writes to
 * flash. */
enum { NO_REGISTERS = 0, READS_AND_WRITES = 3, STOPS = 64 };

/* One translation; a block may be translated several times. */
typedef struct block {
    uint64_t first, end, executed, taken;
    struct block *next;
} block;

static block *blocks;
static block *previous;
static uint64_t start, stops[STOPS];
static uint64_t flash_first, flash_end, flash_reads;
static int stop_count;
static char *out;
static bool counting;

static void write_counts(void) {
    FILE *file = fopen(out, "w");
    if (file == NULL) {
        return;
    }
    fprintf(file, "%llu\n", (unsigned long long)flash_reads);
    for (const block *b = blocks; b != NULL; b = b->next) {
        if (b->executed != 0) {
            fprintf(file, "%llu %llu %llu %llu\n", (unsigned long long)b->first, (unsigned long long)b->end,
                    (unsigned long long)b->executed, (unsigned long long)b->taken);
        }
    }
    fclose(file);
    free(out);
    out = NULL; /* only the first run counts */
}

static bool stops_at(uint64_t address) {
    for (int i = 0; i < stop_count; ++i) {
        if (stops[i] == address) {
            return true;
        }
    }
    return false;
}

static void execute(unsigned cpu, void *data) {
    (void)cpu;
    block *b = data;
    if (!counting) {
        if (b->first != start || out == NULL) {
            return;
        }
        counting = true;
        previous = NULL;
    }
    if (previous != NULL && previous->end != b->first) {
        ++previous->taken;
    }
    if (stops_at(b->first)) {
        counting = false;
        write_counts();
        return;
    }
    ++b->executed;
    previous = b;
}

static void read_data(unsigned cpu, uint32_t access, uint64_t address, void *data) {
    (void)cpu, (void)access, (void)data;
    if (counting && address >= flash_first && address < flash_end) {
        ++flash_reads;
    }
}

static void translate(qemu_plugin_id_t id, struct qemu_plugin_tb *translated) {
    (void)id;
    block *b = calloc(1, sizeof *b);
    if (b == NULL) {
        exit(1);
    }
    const size_t count = qemu_plugin_tb_n_insns(translated);
    for (size_t i = 0; i < count; ++i) {
        qemu_plugin_register_vcpu_mem_cb(qemu_plugin_tb_get_insn(translated, i), read_data, NO_REGISTERS,
                                         READS_AND_WRITES, NULL);
    }
    const struct qemu_plugin_insn *last = qemu_plugin_tb_get_insn(translated, count - 1);
    b->first = qemu_plugin_tb_vaddr(translated);
    b->end = qemu_plugin_insn_vaddr(last) + qemu_plugin_insn_size(last);
    b->next = blocks;
    blocks = b;
    qemu_plugin_register_vcpu_tb_exec_cb(translated, execute, NO_REGISTERS, b);
}

int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info_t *info, int argc, char **argv) {
    (void)info;
    for (int i = 0; i < argc; ++i) {
        if (strncmp(argv[i], "start=", 6) == 0) {
            start = strtoull(argv[i] + 6, NULL, 0);
        } else if (strncmp(argv[i], "stop=", 5) == 0 && stop_count < STOPS) {
            stops[stop_count++] = strtoull(argv[i] + 5, NULL, 0);
        } else if (strncmp(argv[i], "flash=", 6) == 0) {
            char *dash;
            flash_first = strtoull(argv[i] + 6, &dash, 0);
            flash_end = *dash == '-' ? strtoull(dash + 1, NULL, 0) : 0;
        } else if (strncmp(argv[i], "out=", 4) == 0) {
            out = strdup(argv[i] + 4);
        } else {
            fprintf(stderr, "count_blocks: argument '%s' is not known\n", argv[i]);
            return 1;
        }
    }
    if (start == 0 || stop_count == 0 || out == NULL) {
        fprintf(stderr, "count_blocks: start, stop and out are needed\n");
        return 1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, translate);
    return 0;
}
