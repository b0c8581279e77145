#include "login.h"

#include <inttypes.h>

#include "notice.h"

static void
on_login(skio_http *request, void *arg)
{
    const struct login *login = arg;
    const char *user = skio_get_str(skio_http_json(request), "user");
    char token[1024];

    (void)skio_http_set_header(request, "Cache-Control", "no-store");
    if (!name_is_valid(user)) {
        (void)skio_http_reply(
            request, 400, "{'error':%s}",
            "user: 1 to 64 letters, digits, '-', '_', '.' and '@'");
        return;
    }
    if (skio_token_sign(login->server, &login->key, token, sizeof token,
                        "{'sub':%s,'aud':%s,'exp':%" PRId64 ",'rooms':['*']}",
                        user, TOKEN_AUDIENCE,
                        wall_clock_ms() / 1000 + TOKEN_SECONDS) < 0) {
        (void)skio_http_reply(request, 500, "{'error':'no token'}");
        return;
    }
    (void)skio_http_reply(request, 200, "{'token':%s,'api_key':%s}", token,
                          login->api_key);
}

int
login_start(struct login *login)
{
    return skio_http_on(login->server, "POST", "/demo/login", on_login, login);
}
