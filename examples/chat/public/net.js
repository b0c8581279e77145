/*
 * The chat's protocol on a stock Socket.IO client
 *
 * Handshake: auth {nick, key}. The key proves on the next connection that the
 * nickname is ours. A refusal arrives as connect_error with data {code}.
 *
 * We send, and each answer is {ok: true, ...} or {ok: false, code, message}:
 *   enter   {room, private, key, epoch, after}
 *           -> {room, kind, epoch, missed, messages, people}
 *   leave   {room}
 *   say     {room, id, text}              -> {seq, at}
 *   invite  {room, nick}
 *   rooms                                 -> {rooms: [{room, people}]}
 *   typing  {room, on}                    no answer
 *   quit                                  the nickname is free for others
 * We receive:
 *   welcome {nick, epoch, direct, limits}
 *   message {room, seq, id, from, text, at}
 *   joined, left {room, nick}             invited {room, nick, key}
 *   typing  {room, nick, on}
 *   people  {room, people}      all who are inside, when a server is gone
 *
 * A room "@ada" is the conversation with ada, in full "@ada@bob" to bob. Nothing
 * is lost or doubled: each message has an id made here, it stays in the outbox
 * until the server answers, and after each connection, to whichever server, we
 * enter again and tell what we have seen.
 */
import * as store from './store.js';

const ANSWER_MS = 8000;
const RETRY_MS = 2000;
const TYPING_EVERY_MS = 2000;

let socket = null;
let view = null;
let epoch = '';
let round = 0; /* counts connections: answers of an earlier one are ignored */

export function isConnected() {
  return socket !== null && socket.connected && epoch !== '';
}

export function start(hooks) {
  view = hooks;
  socket = window.io({
    auth: (give) => give({ nick: store.me.nick, key: store.me.key }),
    reconnectionDelay: 500,
    reconnectionDelayMax: 4000,
    forceNew: true,
  });
  socket.on('connect_error', (error) => {
    if (socket.active) view.state('reconnecting');
    else view.refused(error.message, error.data?.code); /* by the server */
  });
  socket.on('disconnect', (reason) => {
    goOffline();
    if (reason === 'io server disconnect')
      view.refused('The server closed the connection.', 'closed');
  });
  socket.on('welcome', onWelcome);
  socket.on('message', onMessage);
  socket.on('joined', ({ room, nick }) => onPeople(room, nick, true));
  socket.on('left', ({ room, nick }) => onPeople(room, nick, false));
  socket.on('people', onAllPeople);
  socket.on('typing', onTyping);
  socket.on('invited', onInvited);
  view.state('connecting');
}

export function stop() {
  const old = socket;
  socket = null;
  epoch = '';
  round++;
  old?.removeAllListeners();
  old?.disconnect();
}

export function quit() {
  if (isConnected()) socket.emit('quit');
  stop();
}

function goOffline() {
  epoch = '';
  round++;
  for (const conversation of store.conversations.values()) {
    conversation.entered = false;
    conversation.sending = false;
    conversation.typing.clear();
  }
  view.state('reconnecting');
}

/* Ask for an answer; no answer in time has the code "timeout". */
async function ask(event, ...args) {
  const mine = round;
  if (!isConnected())
    return { ok: false, code: 'offline', message: 'There is no connection.' };
  try {
    const answer = await socket.timeout(ANSWER_MS).emitWithAck(event, ...args);
    if (mine === round) return answer;
  } catch {
    /* neither a timeout nor a lost connection says what happened */
  }
  return { ok: false, code: 'timeout', message: 'The server did not answer.' };
}

function onWelcome(hello) {
  epoch = hello.epoch;
  store.me.nick = hello.nick;
  Object.assign(store.limits, hello.limits);
  store.add('lobby');
  for (const name of hello.direct) store.add(name);
  store.save();
  view.state('connected');
  enterAll();
}

/* One after the other, what is open first: histories are not small. */
async function enterAll() {
  const mine = round;
  const open = store.find(store.ui.current);
  const all = [...store.conversations.values()];
  for (const conversation of [open, ...all.filter((one) => one !== open)])
    if (mine === round && conversation) await enter(conversation);
}

/*
 * Enter a conversation, or enter it again after a reconnect: tell the server
 * the last number we have of its epoch, and get only what is newer.
 */
export async function enter(conversation) {
  const answer = await ask('enter', {
    room: conversation.name,
    private: conversation.kind === 'private',
    key: conversation.key,
    epoch: conversation.epoch,
    after: conversation.last,
  });
  if (!answer.ok) {
    conversation.error = answer.message;
    conversation.code = answer.code;
    view.changed(conversation);
    if (answer.code === 'slow_down' || answer.code === 'timeout')
      wait(answer.retry_ms, () => enter(conversation));
    return answer;
  }
  store.newEpoch(conversation, answer.epoch);
  conversation.entered = true;
  conversation.error = '';
  conversation.kind = answer.kind;
  conversation.people = answer.people;
  if (answer.missed > 0) conversation.messages.push({ gap: answer.missed });
  const atStart = conversation.messages.length === 0;
  for (const message of answer.messages)
    if (store.take(conversation, message)) {
      const unseen = message.seq > conversation.read && !store.isMine(message);
      /* The history of a room that we see for the first time is not news. */
      if (unseen && !(atStart && conversation.read === 0 &&
                      conversation.kind !== 'direct'))
        conversation.unread++;
    }
  view.changed(conversation);
  flush(conversation);
  return answer;
}

function wait(ms, then) {
  const mine = round;
  setTimeout(() => {
    if (mine === round && isConnected()) then();
  }, ms ?? RETRY_MS);
}

export function say(conversation, text) {
  store.outbox.push({
    room: conversation.name, id: store.randomKey(), text, at: Date.now(),
    state: 'waiting', error: '',
  });
  store.save();
  flush(conversation);
}

/* One message at a time and in order; the server drops what it has already. */
export async function flush(conversation) {
  const next = store.pendingOf(conversation)
    .find((one) => one.state === 'waiting');
  if (!next || !conversation.entered || conversation.sending) return;

  const mine = round;
  conversation.sending = true;
  const { room, id, text } = next;
  const answer = await ask('say', { room, id, text });
  if (mine !== round) return; /* it stays in the outbox for the next round */
  conversation.sending = false;

  if (answer.ok) {
    store.take(conversation, {
      seq: answer.seq, at: answer.at, id, text, from: store.me.nick,
    });
  } else if (answer.code === 'timeout' || answer.code === 'slow_down') {
    view.changed(conversation);
    wait(answer.retry_ms, () => flush(conversation));
    return;
  } else {
    next.state = 'failed';
    next.error = answer.message;
    store.save();
    view.error(`Not sent: ${answer.message}`);
  }
  view.changed(conversation);
  flush(conversation);
}

export function retry(conversation, item) {
  item.state = 'waiting';
  item.error = '';
  store.save();
  flush(conversation);
}

export async function leave(conversation) {
  if (conversation.kind !== 'direct')
    await ask('leave', { room: conversation.name });
  store.remove(conversation.name);
}

export const invite = (conversation, nick) =>
  ask('invite', { room: conversation.name, nick });

export const rooms = () => ask('rooms');

export function typing(conversation, on) {
  const now = Date.now();
  if (!isConnected() || !conversation.entered) return;
  if (on && now - (conversation.toldAt ?? 0) < TYPING_EVERY_MS) return;
  if (!on && !conversation.toldAt) return;
  conversation.toldAt = on ? now : 0;
  socket.emit('typing', { room: conversation.name, on });
}

function onMessage({ room, ...message }) {
  const conversation = store.find(room);
  if (!conversation && room.startsWith('@'))
    enter(store.add(room)); /* somebody writes to us for the first time */
  /* The answer to "enter", under way, brings this one too and in its order. */
  if (!conversation?.entered) return;
  conversation.typing.delete(message.from);
  if (!store.take(conversation, message)) {
    view.changed(conversation); /* our own, confirmed twice */
    return;
  }
  if (!store.isMine(message)) conversation.unread++;
  view.changed(conversation);
}

function onPeople(room, nick, here) {
  const conversation = store.find(room);
  if (!conversation) return;
  const people = conversation.people.filter(
    (one) => store.fold(one) !== store.fold(nick));
  if (here) people.push(nick);
  else conversation.typing.delete(nick);
  conversation.people = people;
  view.changed(conversation);
}

function onAllPeople({ room, people }) {
  const conversation = store.find(room);
  if (!conversation) return;
  conversation.people = people;
  view.changed(conversation);
}

function onTyping({ room, nick, on }) {
  const conversation = store.find(room);
  if (!conversation) return;
  if (on) conversation.typing.set(nick, Date.now());
  else conversation.typing.delete(nick);
  view.changed(conversation);
}

function onInvited(invitation) {
  const known = store.find(invitation.room);
  if (known?.entered) return;
  const i = store.invitations.findIndex(
    (one) => store.fold(one.room) === store.fold(invitation.room));
  if (i >= 0) store.invitations.splice(i, 1);
  store.invitations.push(invitation);
  store.save();
  view.invitations();
}
