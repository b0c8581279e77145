/*
 * The page around the messages: lists, header, people, state of the connection
 *
 * Renders are gathered: any number of changes in one turn draws once. A timer
 * does it, not an animation frame, because the count of unread messages in the
 * title matters most while the tab is hidden.
 */
import * as log from './log.js';
import * as store from './store.js';
import { $, avatar, button, icon, make, paintAvatar, plural, setText }
  from './dom.js';

const TYPING_MS = 5000;
const STATES = {
  connecting: 'Connecting…',
  connected: 'Connected',
  reconnecting: 'Reconnecting…',
};

let state = 'connecting';
let scheduled = false;
const acts = {}; /* what a click does, given by main.js */

export const current = () => store.find(store.ui.current);

export function changed() {
  if (scheduled) return;
  scheduled = true;
  setTimeout(() => {
    scheduled = false;
    render();
  });
}

export function setState(next) {
  state = next;
  changed();
}

export function open(name) {
  const before = current();
  const conversation = store.find(name);
  if (!conversation) return;
  if (before && before !== conversation) before.newFrom = null;
  store.ui.current = conversation.name;
  if (conversation.unread > 0) markNew(conversation);
  store.save();
  closeDrawers();
  render();
  log.toEnd();
}

/* Draw a line above the first message that was not seen. */
function markNew(conversation) {
  const unseen = conversation.messages.filter(
    (one) => !one.gap && !store.isMine(one)).slice(-conversation.unread);
  conversation.newFrom = unseen.length > 0 ? log.keyOf(unseen[0]) : null;
}

export function markRead() {
  const conversation = current();
  if (!conversation || document.hidden || !log.isFollowing()) return;
  if (conversation.unread === 0 && conversation.read === conversation.last)
    return;
  conversation.unread = 0;
  conversation.read = conversation.last;
  store.save();
  changed();
}

function render() {
  const conversation = current();
  if ($('app').hidden || !conversation) return;
  log.render(conversation);
  markRead();
  renderLists();
  renderHeader(conversation);
  renderPeople(conversation);
  renderTyping(conversation);
  renderState(conversation);
}

function label(conversation) {
  return conversation.kind === 'direct'
    ? conversation.name.slice(1) : conversation.name;
}

function symbol(conversation) {
  if (conversation.kind === 'direct') {
    const face = avatar(label(conversation), 'tiny');
    face.classList.toggle('away', !isHere(conversation));
    return face;
  }
  return icon(conversation.kind === 'private' ? 'lock' : 'hash');
}

const isHere = (conversation) => conversation.people.some(
  (nick) => store.fold(nick) === store.fold(conversation.name.slice(1)));

function row(conversation) {
  const selected = conversation === current();
  const element = button('row', '', () => acts.open(conversation.name));
  element.append(symbol(conversation),
    make('span', 'row-name', label(conversation)));
  if (selected) element.setAttribute('aria-current', 'page');
  if (conversation.unread > 0) {
    element.classList.add('unread');
    element.append(make('span', 'badge', String(conversation.unread),
      make('span', 'hidden-text', ' unread')));
  } else if (conversation.error) {
    element.append(icon('alert'));
  }
  element.dataset.conversation = conversation.name;
  return make('li', '', element);
}

/* Replace the rows and keep the keyboard's place among them. */
function fill(list, rows) {
  const focused = list.contains(document.activeElement)
    ? document.activeElement.dataset.conversation : null;
  list.replaceChildren(...rows);
  if (focused)
    for (const one of list.querySelectorAll('.row'))
      if (one.dataset.conversation === focused) one.focus();
}

let drawn = '';

function renderLists() {
  const all = [...store.conversations.values()];
  const key = JSON.stringify([store.ui.current, store.me.nick, all.map((one) =>
    [one.name, one.kind, one.unread, one.error,
      one.kind === 'direct' && isHere(one)])]);
  const total = store.unreadTotal();
  $('menu-badge').hidden = total === 0;
  setText($('menu-badge'), String(total));
  document.title = (total > 0 ? `(${total}) ` : '') +
    (current().kind === 'direct' ? '' : '#') + `${label(current())} – Chat`;
  if (key === drawn) return;
  drawn = key;
  fill($('room-list'), all.filter((one) => one.kind !== 'direct').map(row));
  fill($('direct-list'), all.filter((one) => one.kind === 'direct').map(row));
  $('no-direct').hidden = all.some((one) => one.kind === 'direct');
  setText($('me-name'), store.me.nick);
  paintAvatar($('me-avatar'), store.me.nick);
}

export function renderInvitations() {
  $('invitations').replaceChildren(...store.invitations.map((one) =>
    make('div', 'invitation',
      make('p', '', make('strong', '', one.nick), ' invites you to ',
        make('strong', '', one.room)),
      make('div', 'buttons',
        button('plain', 'Not now', () => acts.decline(one)),
        button('primary', 'Enter', () => acts.accept(one))))));
  changed();
}

function renderHeader(conversation) {
  const { kind, people } = conversation;
  setText($('title'), label(conversation));
  $('title-icon').replaceChildren(symbol(conversation));
  if (kind === 'direct')
    setText($('subtitle'), isHere(conversation)
      ? 'Private messages · here now' : 'Private messages · not here now');
  else
    setText($('subtitle'), (kind === 'private' ? 'Private room' : 'Room') +
      (people.length > 0 ? ` · ${plural(people.length, 'person', 'people')}`
        : ''));
  $('invite').hidden = kind !== 'private' || !conversation.entered;
  $('leave').hidden = store.fold(conversation.name) === 'lobby';
  $('leave').title = kind === 'direct' ? 'Close this conversation'
    : 'Leave this room';
  $('leave').setAttribute('aria-label', $('leave').title);
  $('text').placeholder = `Message ${kind === 'direct' ? '@' : '#'}` +
    label(conversation);
}

function renderPeople(conversation) {
  const people = [...conversation.people].sort((a, b) => a.localeCompare(b));
  setText($('people-head'), people.length > 0
    ? `Who is here · ${people.length}` : 'Who is here');
  const list = $('people-list');
  const key = JSON.stringify([people, store.me.nick]);
  if (list.dataset.key === key) return;
  list.dataset.key = key;
  list.replaceChildren(...people.map((nick) => {
    const mine = store.fold(nick) === store.fold(store.me.nick);
    const inside = [avatar(nick, 'small-avatar'),
      make('span', 'row-name', nick)];
    if (mine) return make('li', '', make('div', 'row self', ...inside,
      make('span', 'small', 'you')));
    const element = button('row', '', () => acts.write(nick));
    element.append(...inside);
    element.title = `Write to ${nick} in private`;
    return make('li', '', element);
  }));
}

function renderTyping(conversation) {
  const now = Date.now();
  for (const [nick, at] of conversation.typing)
    if (now - at > TYPING_MS) conversation.typing.delete(nick);
  const who = [...conversation.typing.keys()];
  if (who.length === 0) setText($('typing'), '');
  else if (who.length > 3) setText($('typing'), 'Several people are typing…');
  else setText($('typing'), `${who.join(', ')} ` +
    `${who.length === 1 ? 'is' : 'are'} typing…`);
  $('typing').classList.toggle('active', who.length > 0);
  if (who.length > 0) setTimeout(changed, TYPING_MS + 50);
}

function renderState(conversation) {
  $('state').dataset.state = state;
  setText($('state-text'), STATES[state]);
  setText($('me-state'), STATES[state]);
  const note = state !== 'connected' && state !== 'connecting'
    ? 'The connection is gone. What you write now is sent when it is back.'
    : conversation.error;
  $('offline').hidden = !note;
  $('offline').classList.toggle('problem', state === 'connected');
  setText($('offline'), note);
}

export function openDrawer(name) {
  $('app').dataset.drawer = name;
  $('veil').hidden = false;
  $(name).querySelector('button')?.focus();
}

export function closeDrawers() {
  if (!$('app').dataset.drawer) return false;
  delete $('app').dataset.drawer;
  $('veil').hidden = true;
  return true;
}

export function wire(actions) {
  Object.assign(acts, actions);
  log.watch(markRead);
  document.addEventListener('visibilitychange', () => {
    if (document.hidden || !current()) return;
    if (current().unread > 0) markNew(current());
    markRead();
    changed();
  });
}
