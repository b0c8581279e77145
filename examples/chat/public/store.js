/*
 * What this tab knows: who it is, its conversations, and the messages that the
 * server has not confirmed yet.
 *
 * A conversation is a room, or a person written as "@nick". Identity, the list
 * of conversations and the outbox live in sessionStorage: a reload keeps them,
 * and a second tab is a second person. Messages are not kept here; the server
 * holds the last fifty of each conversation.
 */
const STORAGE = 'skio-chat';
const MESSAGES_MAX = 400;

/* 128 random bits: the proof of a nickname, of a private room, of a message. */
export function randomKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

export const me = { nick: '', key: '' };
export const limits = { text: 2000, name: 24 };
export const conversations = new Map();
export const outbox = [];
export const invitations = [];
export const ui = { current: 'lobby' };

/* Names are compared as the server does: ASCII letters without their case. */
export const fold = (name) =>
  name.replace(/[A-Z]/g, (letter) => letter.toLowerCase());

export function find(name) {
  return conversations.get(fold(name));
}

export function add(name, { kind, key = '', read = 0, epoch = '' } = {}) {
  let conversation = find(name);
  if (!conversation) {
    conversation = {
      name, kind: kind ?? (name.startsWith('@') ? 'direct' : 'public'), key,
      read, epoch,
      last: 0,          /* highest sequence number seen, 0: nothing yet */
      messages: [],
      known: new Set(), /* author and id of each of them: nothing twice */
      people: [],
      typing: new Map(),
      unread: 0,
      entered: false,
      error: '',
    };
    conversations.set(fold(name), conversation);
    save();
  }
  return conversation;
}

export function remove(name) {
  conversations.delete(fold(name));
  for (let i = outbox.length - 1; i >= 0; i--)
    if (fold(outbox[i].room) === fold(name)) outbox.splice(i, 1);
  if (fold(ui.current) === fold(name)) ui.current = 'lobby';
  save();
}

const mark = (message) => `${fold(message.from)} ${message.id}`;

/*
 * Take one message in. Returns false for one that is here already: the answer
 * to "enter" and an event may both carry it, and a restarted server numbers
 * from 1 again, so the author's id decides and not the sequence number.
 */
export function take(conversation, message) {
  conversation.last = Math.max(conversation.last, message.seq);
  if (isMine(message)) {
    const i = outbox.findIndex((o) => o.id === message.id);
    if (i >= 0) {
      outbox.splice(i, 1);
      save();
    }
  }
  if (conversation.known.has(mark(message))) return false;
  conversation.known.add(mark(message));
  conversation.messages.push(message);
  if (conversation.messages.length > MESSAGES_MAX)
    conversation.known.delete(mark(conversation.messages.shift()));
  return true;
}

/* A server that was started anew counts from 1: forget the old numbers. */
export function newEpoch(conversation, epoch) {
  if (conversation.epoch === epoch) return;
  if (conversation.epoch !== '') conversation.read = 0;
  conversation.epoch = epoch;
  conversation.last = 0;
}

export function isMine(message) {
  return fold(message.from) === fold(me.nick);
}

export function pendingOf(conversation) {
  return outbox.filter((o) => fold(o.room) === fold(conversation.name));
}

export function unreadTotal() {
  let sum = invitations.length;
  for (const conversation of conversations.values()) sum += conversation.unread;
  return sum;
}

export function save() {
  const list = [...conversations.values()].map(
    ({ name, kind, key, read, epoch }) => ({ name, kind, key, read, epoch }));
  try {
    sessionStorage.setItem(STORAGE, JSON.stringify({
      me, current: ui.current, conversations: list, outbox, invitations,
    }));
  } catch {
    /* Storage may be full or forbidden; then a reload starts afresh. */
  }
}

export function load() {
  try {
    const saved = JSON.parse(sessionStorage.getItem(STORAGE) ?? '{}');
    Object.assign(me, saved.me);
    ui.current = saved.current ?? ui.current;
    for (const one of saved.conversations ?? []) add(one.name, one);
    outbox.push(...(saved.outbox ?? []));
    invitations.push(...(saved.invitations ?? []));
  } catch {
    forget();
  }
}

export function forget() {
  Object.assign(me, { nick: '', key: '' });
  conversations.clear();
  outbox.length = 0;
  invitations.length = 0;
  ui.current = 'lobby';
  try {
    sessionStorage.removeItem(STORAGE);
  } catch {
    /* as above */
  }
}
