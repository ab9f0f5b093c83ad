/* A TFLite delegate for tests, from a few lines of our own: a real library, with the faults that its options name.

   It takes the operation RESIZE_NEAREST_NEIGHBOR of int8 and uint8 tensors, and "edgetpu-custom-op" as if that were the
   same, and computes it exactly. The structures are those of TensorFlow Lite's c/common.h and of its
   external_delegate_interface.h, as far as they are read here. Options:

   takes    "nothing": passes everything through
   fault    "silent" or "told": creation fails, without a word or with one; "hang", "abort": in creation; "hang_prepare"
   calls    a file that gets one byte for each run of a taken operation
   orders   a file that is read at each run: "fail", "hang", "abort", "lie" (wrong numbers), or missing
   saw      a file that gets each option as a line "name=value" at creation
   device   noted alone: which Edge TPU
   Any other option fails creation. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OK = 0, ERROR = 1, CUSTOM = 32, RESIZE_NEAREST_NEIGHBOR = 97 };

typedef struct Context Context;
typedef struct Delegate Delegate;
typedef struct { int size, data[]; } Ints;
typedef struct {
    Ints *inputs, *outputs, *intermediates, *temporaries;
    void *user_data, *builtin;
    const void *custom;
    int custom_size;
    Delegate *delegate;
    bool side_effect;
} Node;
typedef struct {
    int type;
    uint8_t *data;
    Ints *dims;
    struct { float scale; int32_t zero_point; } params;
    int allocation;
    size_t bytes;
    const void *memory;
    const char *name;
    Delegate *delegate;
    int buffer_handle;
    bool stale, variable;
    struct { int type; void *params; } quantization;
    void *sparsity;
    const Ints *signature;
} Tensor;
typedef struct {
    void *(*init)(Context *, const char *, size_t);
    void (*free)(Context *, void *);
    int (*prepare)(Context *, Node *);
    int (*invoke)(Context *, Node *);
    void *profiling;
    int32_t builtin_code;
    const char *custom_name;
    int version;
    void *external, *asynchronous;
    uint64_t in_place;
} Registration;
struct Context {
    size_t tensors_size;
    int (*plan)(Context *, Ints **);
    Tensor *tensors;
    void *impl, *resize;
    void (*report)(Context *, const char *, ...);
    void *add;
    int (*node)(Context *, int, Node **, Registration **);
    int (*replace)(Context *, Registration, const Ints *, Delegate *);
};
struct Delegate {
    void *data;
    int (*prepare)(Context *, Delegate *);
    void *copy_from, *copy_to, *free_buffer;
    int64_t flags;
    void *opaque;
};
typedef struct { Delegate *delegate; Ints *nodes, *inputs, *outputs; } Taken;
typedef struct { Delegate base; char takes[64], fault[64], device[64], calls[4096], orders[4096], saw[4096]; } Ours;
typedef struct { const Ours *ours; int from, to; } Kernel;

static void hang(void) { for (;;) pause(); }

static void *kernel_init(Context *context, const char *buffer, size_t size) {
    (void)size;
    const Taken *taken = (const Taken *)buffer;
    Kernel *kernel = calloc(1, sizeof *kernel);
    kernel->ours = (const Ours *)taken->delegate;
    for (int i = 0; i < taken->inputs->size; i++)  /* the other input is the size, which the output has too */
        if (context->tensors[taken->inputs->data[i]].dims->size == 4) kernel->from = taken->inputs->data[i];
    kernel->to = taken->outputs->data[0];
    return kernel;
}

static void kernel_free(Context *context, void *kernel) { (void)context; free(kernel); }

static int kernel_prepare(Context *context, Node *node) { (void)context; (void)node; return OK; }

static int kernel_invoke(Context *context, Node *node) {
    const Kernel *kernel = node->user_data;
    char order[16] = "";
    FILE *file;
    if (kernel->ours->calls[0] && (file = fopen(kernel->ours->calls, "a"))) { fputc('.', file); fclose(file); }
    if (kernel->ours->orders[0] && (file = fopen(kernel->ours->orders, "r"))) {
        if (fscanf(file, "%15s", order) != 1) order[0] = 0;
        fclose(file);
    }
    if (!strcmp(order, "fail")) { context->report(context, "the device is gone"); return ERROR; }
    if (!strcmp(order, "abort")) abort();
    if (!strcmp(order, "hang")) hang();
    const Tensor *from = &context->tensors[kernel->from], *to = &context->tensors[kernel->to];
    const int *in = from->dims->data, *out = to->dims->data;
    for (int y = 0; y < out[1]; y++)
        for (int x = 0; x < out[2]; x++)
            memcpy(to->data + (y * out[2] + x) * out[3],
                   from->data + (y * in[1] / out[1] * in[2] + x * in[2] / out[2]) * in[3], out[3]);
    if (!strcmp(order, "lie"))
        for (size_t i = 0; i < to->bytes / 2; i++) to->data[i] ^= 64;
    return OK;
}

static int prepare(Context *context, Delegate *delegate) {
    const Ours *ours = (const Ours *)delegate;
    Ints *plan;
    if (!strcmp(ours->fault, "hang_prepare")) hang();
    if (context->plan(context, &plan) != OK) return ERROR;
    Ints *take = calloc(plan->size + 1, sizeof(int));
    for (int i = 0; i < plan->size && strcmp(ours->takes, "nothing"); i++) {
        Node *node;
        Registration *kind;
        if (context->node(context, plan->data[i], &node, &kind) != OK) return ERROR;
        if (kind->builtin_code == RESIZE_NEAREST_NEIGHBOR ||
            (kind->builtin_code == CUSTOM && !strcmp(kind->custom_name, "edgetpu-custom-op")))
            take->data[take->size++] = plan->data[i];
    }
    Registration kernel = {.init = kernel_init, .free = kernel_free, .prepare = kernel_prepare,
                           .invoke = kernel_invoke, .custom_name = "KensaTestDelegate", .version = 1};
    int status = context->replace(context, kernel, take, delegate);
    free(take);
    return status;
}

Delegate *tflite_plugin_create_delegate(char **keys, char **values, size_t count, void (*report)(const char *)) {
    Ours *ours = calloc(1, sizeof *ours);
    ours->base.prepare = prepare;
    ours->base.flags = 1;  /* nothing is prepared before the delegate has taken its part: a custom operation could not be */
    for (size_t i = 0; i < count; i++) {
        char *place = !strcmp(keys[i], "takes")    ? ours->takes
                      : !strcmp(keys[i], "fault")  ? ours->fault
                      : !strcmp(keys[i], "calls")  ? ours->calls
                      : !strcmp(keys[i], "orders") ? ours->orders
                      : !strcmp(keys[i], "device") ? ours->device
                      : !strcmp(keys[i], "saw")    ? ours->saw
                                                   : NULL;
        if (place == NULL) {
            report("unknown option ");
            report(keys[i]);
            free(ours);
            return NULL;
        }
        strncpy(place, values[i], place == ours->calls || place == ours->orders || place == ours->saw ? 4095 : 63);
    }
    FILE *file = ours->saw[0] ? fopen(ours->saw, "w") : NULL;
    for (size_t i = 0; i < count && file; i++) fprintf(file, "%s=%s\n", keys[i], values[i]);
    if (file) fclose(file);
    if (!strcmp(ours->fault, "hang")) hang();
    if (!strcmp(ours->fault, "abort")) abort();
    if (!strcmp(ours->fault, "told")) report("no such device on the bus");
    if (!strcmp(ours->fault, "told") || !strcmp(ours->fault, "silent")) {
        free(ours);
        return NULL;
    }
    return &ours->base;
}

void tflite_plugin_destroy_delegate(Delegate *delegate) { free(delegate); }
