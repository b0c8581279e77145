/*
 * The main() of a fuzz target that is built as a test: runs each file of its
 * corpus once, tests/fuzz/corpus/TARGET/, or the files it is told
 *
 * A target that stops the program has its input named in the last line of the
 * output. libFuzzer has a main() of its own and leaves this one out.
 */
#include "fuzz/fuzz.h"

#include <dirent.h>

#define PATH_SIZE 4096

static int
run_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    struct fuzz_text bytes = {NULL, 0, 0};
    char part[4096];
    size_t got;
    void *exact;

    if (file == NULL) {
        printf("# %s cannot be read\n", path);
        return -1;
    }
    while ((got = fread(part, 1, sizeof(part), file)) > 0)
        fuzz_note(&bytes, part, got);
    fclose(file);

    printf("# %s\n", path);
    fflush(stdout);
    exact = fuzz_exact(bytes.data, bytes.len);
    LLVMFuzzerTestOneInput(exact, bytes.len);
    free(exact);
    free(bytes.data);
    return 0;
}

/* Returns how many files there were; -1: one could not be read. */
static int
run_folder(const char *path)
{
    DIR *folder = opendir(path);
    struct dirent *entry;
    char file[PATH_SIZE + sizeof(entry->d_name) + 1];
    int count = 0;

    if (folder == NULL)
        return 0;
    while ((entry = readdir(folder)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
        if (run_file(file) != 0) {
            count = -1;
            break;
        }
        count++;
    }
    closedir(folder);
    return count;
}

int
main(int argc, char **argv)
{
    const char *source = getenv("SKIO_SRC");
    const char *name = strrchr(argv[0], '/');
    char folder[PATH_SIZE];
    int count = 0;

    printf("1..1\n");
    name = name != NULL ? name + 1 : argv[0];
    name += strncmp(name, "test_", 5) == 0 ? 5 : 0;
    snprintf(folder, sizeof(folder), "%s/tests/fuzz/corpus/%s",
             source != NULL ? source : ".", name);

    if (argc == 1)
        count = run_folder(folder);
    for (int i = 1; i < argc; i++)
        count = run_file(argv[i]) == 0 && count >= 0 ? count + 1 : -1;
    printf("%s 1 - every_input_of_the_corpus_is_dealt_with\n",
           count > 0 ? "ok" : "not ok");
    if (count <= 0)
        printf("# %s has no files\n", folder);
    return count > 0 ? 0 : 1;
}
