// The notification service, killed (SIGKILL) at random moments while applications
// post at once: what was answered 202 arrives, and in the order of the numbers.
//
// A round is: start, post in parallel from several applications, kill, start,
// and look. Each application posts its own series, one after the other, so that
// the order it must arrive in is known without the numbers, too. A post without
// an answer is repeated with its Idempotency-Key, as an application would: then
// it arrives once. Some readers are connected while it is killed, and some come
// later.
//
//   SKIO_ROUNDS   how often it is killed (40)
//   SKIO_SECONDS  the most that this takes (300)
//   SKIO_SHOW     1: print the figures
import { check, deadline, finish, need, same, sleep, test } from "./harness.mjs";
import { isBuilt, Service, until, WAIT_MS } from "./notify.mjs";

need("socket.io-client");
if (!isBuilt) {
    console.log("1..0 # SKIP examples/notify is not built");
    process.exit(0);
}

const rounds = Number(process.env.SKIO_ROUNDS ?? 40);
const seconds = Number(process.env.SKIO_SECONDS ?? 300);
const APPLICATIONS = 6;
const KILL_WITHIN_MS = 40;
const USERS = ["ada", "bob"]; // ada is online when she can be, bob comes later

/* What an application was promised: [id, user, text], in the order of the posts
 * that were accepted. */
class Application {
    accepted = [];
    unanswered = 0;
    posted = 0;

    constructor(name, service) {
        this.name = name;
        this.service = service;
    }

    async run(isOver) {
        while (!isOver()) {
            const next = this.next ?? {
                to: `user:${USERS[this.posted++ % USERS.length]}`,
                title: `${this.name} ${this.posted}`,
            };
            const { status, body } = await this.service.post(next,
                { "Idempotency-Key": next.title.replace(" ", "-") });

            check(status === 202 || status === 0 || status === 503,
                  `${next.title}: ${status}`);
            if (status === 202) {
                this.accepted.push({ id: body.id, ...next });
                this.next = null;
            } else { // not known whether it was kept: the same again
                this.unanswered++;
                this.next = next;
                if (isOver()) return;
                await sleep(1);
            }
        }
    }

    /* After the restart, with the same key. */
    async settle() {
        if (this.next) await this.run(() => this.next === null);
    }
}

/* What a reader got, each once: numbers only grow, or it was a repetition. */
function judge(reader, applications, user) {
    const wanted = applications.flatMap(({ accepted }) => accepted)
        .filter(({ to }) => to === `user:${user}`)
        .sort((a, b) => a.id - b.id);

    same(reader.ids, wanted.map(({ id }) => id));
    same(reader.titles, wanted.map(({ title }) => title));
    for (const { name } of applications) { // the series of each, in its order
        const numbers = reader.titles.filter((each) =>
            each.startsWith(`${name} `)).map((each) => Number(each.split(" ")[1]));
        check(numbers.every((n, i) => i === 0 || n > numbers[i - 1]),
              `${name}'s are out of order: ${numbers}`);
    }
}

test(`nothing_accepted_is_lost_in_${rounds}_kills`, async (t) => {
    const service = new Service(["--demo", "--per-user", "100000",
                                 "--notifications", "10000000"]);
    const begin = Date.now();
    const readers = {};
    const applications = Array.from({ length: APPLICATIONS },
        (_, i) => new Application(`app${i}`, service));
    let done = 0, repeated = 0;

    t.after(() => service.end());
    await service.start();
    readers.ada = service.reader("ada"); // comes back by itself
    t.after(() => readers.ada.close());
    await readers.ada.welcomed();

    while (done < rounds && Date.now() - begin < seconds * 1000) {
        let isOver = false;
        const running = applications.map((each) => each.run(() => isOver));

        await sleep(Math.random() * KILL_WITHIN_MS);
        await service.stop("SIGKILL");
        isOver = true;
        await deadline(Promise.all(running), WAIT_MS, "the applications");
        await service.start();
        for (const each of applications) await each.settle();
        done++;
    }
    const total = applications.reduce((n, { accepted }) => n + accepted.length, 0);

    // The last word is theirs: everything before it has arrived.
    readers.bob = service.reader("bob");
    t.after(() => readers.bob.close());
    for (const user of USERS) {
        const wanted = applications.flatMap(({ accepted }) => accepted)
            .filter(({ to }) => to === `user:${user}`);
        await readers[user].has(wanted.length);
        judge(readers[user], applications, user);
        for (const { id } of wanted.slice(-20))
            await until(`no. ${id} to be delivered`, async () =>
                (await service.status(id)).status === "delivered");
        repeated += readers[user].arrivals - wanted.length;
        check(readers[user].ids.length === wanted.length, "too many");
    }
    const unanswered = applications.reduce((n, each) => n + each.unanswered, 0);
    const took = Date.now() - begin;

    check(total >= done, `only ${total} accepted in ${done} rounds`);
    check(process.env.SKIO_ROUNDS === undefined || done > 0, "no round");
    console.log(`# ${done} of ${rounds} kills, ${took} ms (${
        Math.round(took / done)} each): ${total} accepted, ${
        unanswered} unanswered, ${repeated} sent again`);
}, { timeout: seconds * 1000 + 60000, timed: false });

await finish();
