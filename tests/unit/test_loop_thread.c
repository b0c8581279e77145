/*
 * Calls from a thread that is not the loop's: what a debug build does about it
 */
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "scenario/sio.h"

static int result;

static void *
call_emit(void *arg)
{
    struct peer *peer = arg;

    result = skio_emit_all(skio_of(peer->server, "/"), "e", NULL);
    return NULL;
}

static void *
call_on(void *arg)
{
    struct peer *peer = arg;

    result = skio_on(skio_of(peer->server, "/"), "e", sio_note_event, peer);
    return NULL;
}

static void
call_elsewhere(struct peer *peer, void *(*fn)(void *))
{
    pthread_t thread;

    result = SKIO_EIO;
    peer_check(peer, pthread_create(&thread, NULL, fn, peer) == 0);
    peer_check(peer, pthread_join(thread, NULL) == 0);
}

/* Run in a process of its own: the signal that ended it, or 0. */
static int
end_of(struct peer *peer, void *(*fn)(void *))
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        (void)signal(SIGABRT, SIG_DFL);
        call_elsewhere(peer, fn);
        _exit(result == SKIO_OK ? 0 : 1);
    }
    peer_check(peer, pid > 0);
    peer_check(peer, waitpid(pid, &status, 0) == pid);
    if (WIFSIGNALED(status))
        return WTERMSIG(status);
    peer_check(peer, WEXITSTATUS(status) == 0);
    return 0;
}

static void
call_from_another(struct peer *peer)
{
#ifdef SKIO_DEBUG
    const int wanted = SIGABRT;
#else
    const int wanted = 0; /* nothing looks, so nothing is seen */
#endif

    (void)sio_connect(peer, NULL);
    peer_check(peer, end_of(peer, call_emit) == wanted);
    peer_check(peer, end_of(peer, call_on) == wanted);
    /* The loop's own thread may. */
    (void)call_emit(peer);
    peer_check(peer, result == SKIO_OK);
    (void)call_on(peer);
    peer_check(peer, result == SKIO_OK);
}

static void
debug_builds_stop_at_calls_of_another_thread(void **state)
{
    static const struct peer_plan plan = {NULL, NULL, call_from_another};

    (void)state;
    peer_run_once(&plan);
}

static void *
run_turn(void *arg)
{
    struct peer *peer = arg;

    skio_transport_flush(peer->server);
    result = skio_emit_all(skio_of(peer->server, "/"), "e", NULL);
    skio_transport_flush(peer->server);
    return NULL;
}

/* A server may be made in one thread and run in another. */
static void
move(struct peer *peer)
{
    (void)sio_connect(peer, NULL);
    call_elsewhere(peer, run_turn);
    peer_check(peer, result == SKIO_OK);
    peer_flush(peer);
    (void)call_emit(peer);
    peer_check(peer, result == SKIO_OK);
}

static void
the_thread_of_the_latest_turn_is_the_loops(void **state)
{
    static const struct peer_plan plan = {NULL, NULL, move};

    (void)state;
    peer_run_once(&plan);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(debug_builds_stop_at_calls_of_another_thread),
        cmocka_unit_test(the_thread_of_the_latest_turn_is_the_loops),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
