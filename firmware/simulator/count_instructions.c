/* A QEMU plugin that counts the instructions of a Linux program and tells them to the program itself.
 *
 * The program asks by reading 8 bytes from the file descriptor FW_COUNTER_FD (fw_counter.h): just before that
 * read is carried out, the plugin writes the count into a pipe whose other end is that descriptor. Without
 * the plugin the descriptor does not exist and the read fails, which is how the same program knows that it
 * runs on a real board.
 *
 * No package ships QEMU's plugin header; the declarations below are the documented interface, version 1.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include "fw_counter.h"

#define EXPORT __attribute__((visibility("default")))
#define READ_AARCH64 63 /* the system call's number on aarch64 */

typedef uint64_t qemu_plugin_id_t;
struct qemu_info_t;
struct qemu_plugin_tb;
typedef void (*translate_callback)(qemu_plugin_id_t id, struct qemu_plugin_tb *block);
typedef void (*syscall_callback)(qemu_plugin_id_t id, unsigned cpu, int64_t number, uint64_t a1, uint64_t a2,
                                 uint64_t a3, uint64_t a4, uint64_t a5, uint64_t a6, uint64_t a7,
                                 uint64_t a8);

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, translate_callback callback);
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *block, int operation, void *where,
                                              uint64_t amount);
void qemu_plugin_register_vcpu_syscall_cb(qemu_plugin_id_t id, syscall_callback callback);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);

EXPORT int qemu_plugin_version = 1;
EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info_t *info, int argc, char **argv);

enum { INLINE_ADD_U64 = 0 };

static uint64_t executed;
static int answers = -1;

static void count_block(qemu_plugin_id_t id, struct qemu_plugin_tb *block) {
    (void)id;
    qemu_plugin_register_vcpu_tb_exec_inline(block, INLINE_ADD_U64, &executed, qemu_plugin_tb_n_insns(block));
}

static void answer(qemu_plugin_id_t id, unsigned cpu, int64_t number, uint64_t a1, uint64_t a2, uint64_t a3,
                   uint64_t a4, uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8) {
    (void)id, (void)cpu, (void)a2, (void)a3, (void)a4, (void)a5, (void)a6, (void)a7, (void)a8;
    if (number == READ_AARCH64 && a1 == FW_COUNTER_FD &&
        write(answers, &executed, sizeof executed) != (ssize_t)sizeof executed) {
        _exit(1);
    }
}

int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info_t *info, int argc, char **argv) {
    (void)info, (void)argc, (void)argv;
    int ends[2];
    if (pipe(ends) != 0 || dup2(ends[0], FW_COUNTER_FD) < 0) {
        return 1;
    }
    answers = ends[1];
    qemu_plugin_register_vcpu_tb_trans_cb(id, count_block);
    qemu_plugin_register_vcpu_syscall_cb(id, answer);
    return 0;
}
