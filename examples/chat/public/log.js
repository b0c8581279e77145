/*
 * The messages of the conversation that is open
 *
 * Each message has one element for its whole life, from "sending" to
 * "delivered", found again by author and id: screen readers hear a message
 * once, and a render moves and marks elements instead of rebuilding them.
 */
import * as net from './net.js';
import * as store from './store.js';
import { $, avatar, button, icon, make, plural, setText } from './dom.js';

const GROUP_MS = 5 * 60 * 1000;
const NEAR_END_PX = 80;

let shown = null; /* the conversation whose elements are in the log */
let follow = true; /* the newest message is in sight and stays there */
const elements = new Map();

const clock = new Intl.DateTimeFormat(undefined, {
  hour: '2-digit', minute: '2-digit',
});
const calendar = new Intl.DateTimeFormat(undefined, {
  weekday: 'long', day: 'numeric', month: 'long',
});

function dayName(at) {
  const day = new Date(at).toDateString();
  if (day === new Date().toDateString()) return 'Today';
  if (day === new Date(Date.now() - 86400000).toDateString())
    return 'Yesterday';
  return calendar.format(at);
}

export const keyOf = (message) => `${store.fold(message.from)} ${message.id}`;

/* Everything to show, in order: {key, kind, ...}. */
function itemsOf(conversation) {
  const items = [];
  let day = '';
  let before = null;
  const messages = [...conversation.messages,
    ...store.pendingOf(conversation).map((one) => ({
      ...one, from: store.me.nick, item: one,
    }))];

  for (const [i, message] of messages.entries()) {
    if (message.gap) {
      items.push({ key: `gap ${i}`, kind: 'divider', text:
        `${plural(message.gap, 'older message')} could not be kept` });
      before = null;
      continue;
    }
    const today = dayName(message.at);
    if (today !== day) {
      items.push({ key: `day ${today}`, kind: 'divider', text: today });
      day = today;
      before = null;
    }
    const key = keyOf(message);
    if (key === conversation.newFrom) {
      items.push({ key: 'new', kind: 'divider', text: 'New', fresh: true });
      before = null;
    }
    const grouped = before !== null &&
      store.fold(before.from) === store.fold(message.from) &&
      message.at - before.at < GROUP_MS;
    items.push({ key, kind: 'message', message, grouped });
    before = message;
  }
  return items;
}

function buildMessage(message) {
  const mine = store.isMine(message);
  const time = make('time', 'small', clock.format(message.at));
  time.dateTime = new Date(message.at).toISOString();
  const bubble = make('div', 'bubble', message.text);
  bubble.dir = 'auto';
  const article = make('article', mine ? 'message mine' : 'message',
    mine ? null : avatar(message.from),
    make('div', 'body',
      make('p', 'meta', make('strong', '', mine ? 'You' : message.from), time),
      bubble, make('div', 'status')));
  article.dataset.id = message.id;
  return article;
}

/* A picture that says something. */
function sign(name, meaning) {
  const element = make('span', '', icon(name),
    make('span', 'hidden-text', meaning));
  element.title = meaning;
  return element;
}

function paintStatus(element, message, conversation) {
  const status = element.querySelector('.status');
  const item = message.item;
  const state = item ? item.state : 'delivered';
  if (element.dataset.state === state) return;
  element.dataset.state = state;
  status.replaceChildren();
  if (state === 'waiting') {
    status.append(sign('clock', 'Sending'));
  } else if (state === 'failed') {
    const drop = (then) => () => {
      store.outbox.splice(store.outbox.indexOf(item), 1);
      store.save();
      then?.();
      render(conversation);
    };
    status.append(
      make('span', '', item.error),
      button('link', 'Try again', () => {
        net.retry(conversation, item);
        render(conversation);
      }),
      button('link', 'Edit', drop(() => {
        $('text').value = item.text;
        $('text').dispatchEvent(new Event('input'));
        $('text').focus();
      })),
      button('link', 'Delete', drop()));
  } else if (store.isMine(message)) {
    status.append(sign('check', 'Delivered'));
  }
}

function elementOf(item, conversation) {
  let element = elements.get(item.key);
  if (!element) {
    element = item.kind === 'message'
      ? buildMessage(item.message)
      : make('p', item.fresh ? 'divider fresh' : 'divider',
        make('span', '', item.text));
    elements.set(item.key, element);
  }
  if (item.kind === 'message') {
    element.classList.toggle('grouped', item.grouped);
    paintStatus(element, item.message, conversation);
  }
  return element;
}

function emptyText(conversation) {
  if (conversation.kind === 'direct')
    return `Only you and ${conversation.name.slice(1)} read what is ` +
           'written here.';
  if (conversation.kind === 'private')
    return 'A private room. Invite somebody with the button above.';
  return 'Nothing has been said here yet. Break the silence.';
}

export function render(conversation) {
  const log = $('log');
  if (shown !== conversation) {
    shown = conversation;
    elements.clear();
    log.replaceChildren();
    follow = true;
  }
  const items = itemsOf(conversation);
  const keys = new Set(items.map((item) => item.key));
  for (const [key, element] of elements)
    if (!keys.has(key)) {
      element.remove();
      elements.delete(key);
    }
  log.querySelector('.empty')?.remove();
  let place = log.firstChild;
  for (const item of items) {
    const element = elementOf(item, conversation);
    if (element === place) place = place.nextSibling;
    else log.insertBefore(element, place);
  }
  if (items.length === 0 && conversation.entered)
    log.append(make('p', 'empty', emptyText(conversation)));
  if (follow) toEnd();
  paintEnd();
}

export function toEnd() {
  const log = $('log');
  follow = true;
  log.scrollTop = log.scrollHeight;
}

function paintEnd() {
  const away = !follow;
  $('to-end').hidden = !away;
  if (away && shown?.unread)
    setText($('to-end').lastChild, `${shown.unread} new`);
  else setText($('to-end').lastChild, 'Newest');
}

export const isFollowing = () => follow;

/* onRead: called when the reader has come back to the newest message. */
export function watch(onRead) {
  const log = $('log');
  log.addEventListener('scroll', () => {
    const left = log.scrollHeight - log.scrollTop - log.clientHeight;
    const was = follow;
    follow = left < NEAR_END_PX;
    paintEnd();
    if (follow && !was) onRead();
  });
  /* The log shrinks when a keyboard opens or the composer grows. */
  new ResizeObserver(() => {
    if (follow) toEnd();
  }).observe(log);
  $('to-end').addEventListener('click', () => {
    toEnd();
    onRead();
    $('text').focus();
  });
}
