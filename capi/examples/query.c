/* Queries a database and sorts the rows, by libraries that it knows from text alone: names
 * and signatures, as an interpreter would. Functions of this program are called back. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vmtrampoline.h>

struct row {
    char name[16];
    int year;
};

struct table {
    struct row rows[8];
    size_t count;
};

/* What sqlite3_exec calls for each row: int (void *table, int n, char **values, char **names) */
static void add_row(void *data, vmt_slot *slots, size_t count)
{
    struct table *table = slots[0].ptr;
    char **values = slots[2].ptr;
    struct row *row = &table->rows[table->count++];
    (void)data, (void)count;
    strncpy(row->name, values[0], sizeof row->name - 1);
    row->year = atoi(values[1]);
    slots[0].i32 = table->count == 8; /* no room for more */
}

/* What qsort calls: int (const void *, const void *). The data says in which direction. */
static void by_year(void *data, vmt_slot *slots, size_t count)
{
    const struct row *a = slots[0].ptr, *b = slots[1].ptr;
    (void)count;
    slots[0].i32 = *(int *)data * (a->year - b->year);
}

static void *check(void *made, const char *what)
{
    if (!made) {
        fprintf(stderr, "%s: %s\n", what, vmt_error());
        exit(1);
    }
    return made;
}

static vmt_callback *callback(const char *text, vmt_function function, void *data)
{
    vmt_signature *signature = vmt_signature_parse(text);
    vmt_callback *made = check(vmt_callback_new(signature, function, data), text);
    vmt_signature_free(signature);
    return made;
}

/* Calls the function of this name. The result is in slot 0. */
static void call(void *library, const char *name, const char *text, vmt_slot *slots, size_t count)
{
    vmt_signature *signature = vmt_signature_parse(text);
    vmt_trampoline *trampoline = check(vmt_trampoline_new(signature, sizeof *slots), text);
    vmt_target target;
    *(void **)&target = dlsym(library, name);
    if (!vmt_call(trampoline, target, slots, count))
        check(NULL, name);
    vmt_trampoline_free(trampoline);
    vmt_signature_free(signature);
}

int main(void)
{
    static char sql[] = "create table language (name, year);"
                        "insert into language values ('Pascal', 1970), ('Lisp', 1960), ('C', 1972);"
                        "select name, year from language";
    static char memory[] = ":memory:";
    struct table table = { 0 };
    int direction = -1;
    vmt_callback *rows = callback("(ptr, int, ptr, ptr) -> int", add_row, NULL);
    vmt_callback *order = callback("(ptr, ptr) -> int", by_year, &direction);
    void *sqlite = dlopen("libsqlite3.so.0", RTLD_NOW), *database = NULL;
    vmt_slot slots[5];

    slots[0].ptr = memory;
    slots[1].ptr = &database;
    call(sqlite, "sqlite3_open", "(ptr, ptr) -> int", slots, 5);

    slots[0].ptr = database;
    slots[1].ptr = sql;
    slots[2].u64 = (uintptr_t)vmt_callback_code(rows);
    slots[3].ptr = &table;
    slots[4].ptr = NULL; /* where an error's text would go */
    call(sqlite, "sqlite3_exec", "(ptr, ptr, ptr, ptr, ptr) -> int", slots, 5);

    slots[0].ptr = table.rows;
    slots[1].u64 = table.count;
    slots[2].u64 = sizeof *table.rows;
    slots[3].u64 = (uintptr_t)vmt_callback_code(order);
    call(NULL, "qsort", "(ptr, size_t, size_t, ptr)", slots, 5);

    for (size_t i = 0; i < table.count; i++)
        printf("%s %d\n", table.rows[i].name, table.rows[i].year);

    slots[0].ptr = database;
    call(sqlite, "sqlite3_close", "(ptr) -> int", slots, 5);
    vmt_callback_free(rows);
    vmt_callback_free(order);
    return 0;
}
