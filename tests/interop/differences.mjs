// Where our server differs from the reference on generated input, each with
// its reason. man/skio_protocol.7 says the same to users: `manual` is a piece
// of its text, which a test looks up.
//
//   when   told of the case and of both transcripts; true where this is it

import { isDeepStrictEqual } from "node:util";
import { RS } from "./raw.mjs";

const isClosed = ({ seen }) => seen?.at(-1)?.startsWith("(closed") ?? false;

// The texts of a case: its packets, its payloads, its target.
const textsOf = ({ steps, target }) => (steps ?? [target]).map((step) =>
    step.body ?? (typeof step === "string" ? step
        : Buffer.from(step.bytes ?? step.x ?? "", "hex").toString("latin1")));

// Both ended it; we had joined or left more namespaces by then.
const servedMore = ({ mine, node }) => isClosed(mine) && isClosed(node) &&
    isDeepStrictEqual(mine.posts, node.posts) &&
    isWithin(node.seen, mine.seen) &&
    (mine.seen.length > node.seen.length ||
     mine.reasons.length > node.reasons.length ||
     mine.reasons[0][1] === "client namespace disconnect");

// We ended the session, and the reference did not, or not so early.
const weClosed = ({ mine, node }) => isClosed(mine) &&
    (!isClosed(node) || mine.seen.length <= node.seen.length);

const hasText = (expression) => (got) => weClosed(got) &&
    textsOf(got.each).some((text) => expression.test(text));

const hasBadBase64 = (text) => text.split(RS).some((packet) =>
    packet.startsWith("b") && Buffer.from(packet.slice(1), "base64")
        .toString("base64") !== packet.slice(1));

// More than 64 brackets open at a time, but for those in strings.
function isDeep(text) {
    let depth = 0, most = 0;

    for (const each of text.replace(/"(\\.|[^"\\])*"/gs, "")) {
        depth += "[{".includes(each) - "]}".includes(each);
        most = Math.max(most, depth);
    }
    return most > 64;
}

// All of these came, in this order, among those.
function isWithin(some, all) {
    let at = 0;

    for (const each of all)
        at += each === some[at];
    return at === some.length;
}

const isForeign = ({ headers }) => headers?.Origin !== undefined &&
    headers.Origin !== "SAME";
const queryOf = ({ target }) =>
    new URLSearchParams(target.replace(/^[^?]*\??/, ""));
const last = (each, name) => queryOf(each).getAll(name).at(-1);
const isOurs = ({ target }) => target.startsWith("/socket.io/");

export const differences = [
    /*
     * Packets
     */
    {
        name: "events_before_the_end_are_served",
        manual: "Packets that came before a bad one, or before the close " +
            "packet, are delivered.",
        when: (got) => got.each.steps !== undefined && (servedMore(got) ||
            got.mine.seen.length > got.node.seen.length &&
            isWithin(got.node.seen, got.mine.seen) && !isClosed(got.mine) &&
            textsOf(got.each).some((text) => /41/.test(text))),
    },
    {
        name: "packets_behind_a_connect_are_served",
        manual: "Packets may follow a CONNECT packet at once.",
        when: ({ each, mine, node }) => isClosed(node) && each.via ===
            "polling" && textsOf(each).some((text) => /40.*4/s.test(text)) &&
            isWithin(node.seen.slice(0, -1), mine.seen) &&
            node.reasons.every(([, reason]) => /^forced/.test(reason)),
    },
    {
        name: "what_was_left_can_be_joined_at_once",
        manual: "A namespace may be left and joined again in one payload.",
        when: ({ each, mine, node }) => isClosed(node) && !isClosed(mine) &&
            each.via === "polling" &&
            textsOf(each).some((text) => /41.*40/s.test(text)),
    },
    {
        name: "old_namespaces_are_no_urls",
        manual: "Names of namespaces are not read as URLs.",
        when: ({ each }) => each.eio === 3 && textsOf(each).some((text) =>
            /4[0-6](\d+-)?\/([^,?#]*[^\x21-\x7e]|[^,?#]*["<>^`{}\\]|[^,]*\/)/
                .test(text)),
    },
    {
        name: "nesting_is_bounded",
        manual: "A packet that is nested deeper than",
        // Node may close for what comes after it.
        when: ({ each, mine }) => isClosed(mine) && textsOf(each).some(isDeep),
    },
    {
        name: "white_space_is_no_number",
        manual: "white space where the type, a count or an id would be",
        when: hasText(/4?[0-6]?(\d+-)?(\/[^,]*,?)?[\s\ufeff\u2028\u2029]/u),
    },
    {
        name: "numbers_are_digits",
        manual: "counts and ids such as",
        when: hasText(/4[0-6][^[{]*?[.xXeE+-][^[{]*/),
    },
    {
        name: "ids_end_at_2_to_53",
        manual: "ids above 2^53, which it rounds",
        when: hasText(/\d{16}/),
    },
    {
        name: "placeholders_are_integers",
        manual: "a placeholder whose number is no integer",
        when: hasText(/"num":(-0|1e0|\d+\.\d)/),
    },
    {
        name: "namespaces_have_no_nul",
        manual: "a name of a namespace that contains U+0000",
        when: hasText(/\/[^,]*\0/),
    },
    {
        name: "texts_are_utf8",
        manual: "text that is not UTF-8, which it repairs in POST bodies",
        when: ({ each, mine, node }) => isClosed(mine) &&
            each.steps?.some((step) => step.bytes !== undefined) &&
            JSON.stringify(mine) !== JSON.stringify(node),
    },
    {
        name: "base64_is_base64",
        manual: "base64 that is none, of which it decodes what it can",
        when: ({ each, mine }) => isClosed(mine) && textsOf(each).some(
            each.eio === 3 ? (text) => /(^|:)b/.test(text) : hasBadBase64),
    },
    {
        name: "lengths_end_between_characters",
        manual: "a length in a payload of version 3 that ends within a",
        when: (got) => got.each.eio === 3 &&
            hasText(/[\u{10000}-\u{10ffff}]/u)(got),
    },
    {
        name: "binary_packets_are_judged_by_their_text",
        manual: "A packet with attachments is judged before they come.",
        when: ({ each, mine, node }) => isClosed(mine) && isClosed(node) &&
            textsOf(each).some((text) => /4[56]\d+-/.test(text)),
    },
    {
        name: "answers_keep_the_order_of_packets",
        manual: "Packets are served in the order in which they came.",
        when: ({ each, mine, node }) => each.steps !== undefined &&
            isDeepStrictEqual({ ...mine, seen: [...mine.seen].sort() },
                              { ...node, seen: [...node.seen].sort() }),
    },
    {
        name: "a_close_is_told_at_once",
        manual: "The handlers of a session that the server closes are told",
        when: ({ each, mine, node }) => each.via === "polling" &&
            isClosed(mine) && isDeepStrictEqual(mine.seen, node.seen) &&
            mine.reasons.some(([, reason]) => /^forced/.test(reason)) &&
            node.reasons.some(([, reason]) =>
                /^(transport|parse) (close|error)$/.test(reason)),
    },
    {
        name: "keys_are_only_text",
        manual: "keys that mean something to JavaScript",
        when: ({ each, mine, node }) => !isClosed(mine) && !isClosed(node) &&
            textsOf(each).some((text) => /__proto__/.test(text)),
    },
    /*
     * Requests
     */
    {
        name: "foreign_origins_are_refused",
        manual: "Pages of other origins are refused with 403",
        when: ({ each, mine }) => isForeign(each) && mine.status === 403,
    },
    {
        name: "broken_targets_are_refused",
        manual: "Some requests that HTTP does not allow",
        when: ({ each, mine, node }) => each.kind === "request" &&
            (/%(?![0-9a-f]{2})|%00/i.test(each.target) &&
                [403, "(dropped)"].includes(mine.status) ||
             /[^\x20-\x7e]/.test(each.target) && node.status === 400),
    },
    {
        name: "polling_is_not_upgraded_to",
        manual: "An unsupported version, or an upgrade for polling, is " +
            "refused before the upgrade.",
        when: ({ each, mine, node }) => each.upgrade && mine.status === 400 &&
            node.status === 101 && (last(each, "transport") === "polling" ||
                last(each, "EIO") !== "4"),
    },
    {
        name: "polling_servers_refuse_upgrades",
        manual: "A server without WebSocket refuses an upgrade",
        when: ({ each, options, mine }) => each.upgrade &&
            mine.status === 400 && options.includes("polling"),
    },
    {
        name: "websocket_sessions_are_upgraded_once",
        manual: "It refuses a second WebSocket as well",
        when: ({ each, mine, node }) => each.upgrade &&
            each.session === "websocket" && node.body === "3probe" &&
            /^\(closed/.test(mine.body),
    },
    {
        name: "websocket_sessions_refuse_polls",
        manual: "A session that uses WebSocket refuses polls with 400",
        when: ({ mine, node }) => mine.status === 400 &&
            node.status === "(no answer)",
    },
    {
        name: "upgrades_elsewhere_are_answered",
        manual: "An upgrade for another path is answered with 404",
        when: ({ each, mine, node }) => each.upgrade && !isOurs(each) &&
            mine.status === 404 &&
            ["(dropped)", "(no answer)"].includes(node.status),
    },
    {
        name: "handshakes_by_upgrade_are_gets",
        manual: "Some requests that HTTP does not allow",
        when: ({ each, mine }) => each.upgrade && each.method !== "GET" &&
            (mine.status === "(dropped)" || mine.status === 400 ||
             mine.status === 405 || mine.status === 403),
    },
];

// options: of the servers
export function differenceOf(each, options, mine, node) {
    return differences.find(({ when }) =>
        when({ each, options, mine, node }))?.name;
}
