/*
 * Start: sign in, connect the parts, listen to the keyboard
 */
import * as dialogs from './dialogs.js';
import * as net from './net.js';
import * as store from './store.js';
import * as view from './view.js';
import { $, toast } from './dom.js';

const COUNTER_FROM = 200; /* characters left when the counter appears */

const act = {
  open(name) {
    view.open(name);
    if (matchMedia('(hover: hover)').matches) $('text').focus();
  },
  async write(nick) {
    const problem = await dialogs.openDirect(nick, act);
    if (problem) toast(problem);
  },
  decline(invitation) {
    store.invitations.splice(store.invitations.indexOf(invitation), 1);
    store.save();
    view.renderInvitations();
  },
  async accept(invitation) {
    const stale = store.find(invitation.room);
    if (stale && !stale.entered) store.remove(invitation.room);
    const conversation = store.add(invitation.room,
      { kind: 'private', key: invitation.key });
    const answer = await net.enter(conversation);
    if (!answer.ok) {
      store.remove(invitation.room);
      toast(answer.message);
      return;
    }
    act.decline(invitation);
    act.open(invitation.room);
  },
};

function showSignIn(problem = '') {
  $('app').hidden = true;
  $('sign-in').hidden = false;
  document.body.dataset.page = 'sign-in';
  document.title = 'Chat';
  $('nick-error').textContent = problem;
  $('nick').toggleAttribute('aria-invalid', problem !== '');
  $('sign-in-button').disabled = false;
  $('nick').focus();
}

function showApp() {
  $('sign-in').hidden = true;
  $('app').hidden = false;
  document.body.dataset.page = 'chat';
  view.renderInvitations();
  view.open(store.ui.current);
  if (matchMedia('(hover: hover)').matches) $('text').focus();
}

function connect() {
  if (typeof window.io !== 'function') {
    showSignIn('The Socket.IO client is missing at ' +
      '/socket.io/socket.io.min.js; “make chat” installs it.');
    return;
  }
  store.add('lobby');
  net.start({
    state(state) {
      view.setState(state);
      if (state === 'connected' && $('app').hidden) showApp();
    },
    refused(message, code) {
      const nick = store.me.nick;
      net.stop();
      if (code !== 'closed') store.forget();
      showSignIn(message);
      $('nick').value = nick;
    },
    changed: view.changed,
    error: toast,
    invitations: view.renderInvitations,
  });
}

/* The composer */

const characters = (text) => [...text].length;

function paintComposer() {
  const text = $('text');
  text.style.setProperty('height', 'auto');
  text.style.setProperty('height', `${text.scrollHeight}px`);
  const left = store.limits.text - characters(text.value);
  $('counter').textContent = left < COUNTER_FROM ? String(left) : '';
  $('counter').classList.toggle('over', left < 0);
  $('composer').classList.toggle('ready', text.value.trim() !== '');
}

function send() {
  const conversation = view.current();
  const text = $('text').value.trim();
  if (text === '' || !conversation) return;
  conversation.newFrom = null;
  net.typing(conversation, false);
  net.say(conversation, text);
  $('text').value = '';
  paintComposer();
  view.open(conversation.name);
}

function wireComposer() {
  $('composer').addEventListener('submit', (event) => {
    event.preventDefault();
    send();
    $('text').focus();
  });
  $('text').addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    send();
  });
  $('text').addEventListener('input', () => {
    paintComposer();
    net.typing(view.current(), $('text').value.trim() !== '');
  });
}

/* Up and down with Alt, as in other chats: the conversation before or after. */
function step(by) {
  const names = [...document.querySelectorAll('.conversations .row')].map(
    (one) => one.dataset.conversation);
  const i = names.indexOf(view.current().name) + by;
  act.open(names[(i + names.length) % names.length]);
}

function onKey(event) {
  if ($('app').hidden || document.querySelector('dialog[open]')) return;
  if (event.key === 'Escape' && view.closeDrawers()) {
    $('text').focus();
  } else if ((event.ctrlKey || event.metaKey) && event.key === 'k') {
    event.preventDefault();
    dialogs.room(act);
  } else if (event.altKey && event.key === 'ArrowDown') {
    event.preventDefault();
    step(1);
  } else if (event.altKey && event.key === 'ArrowUp') {
    event.preventDefault();
    step(-1);
  }
}

function wire() {
  $('sign-in-form').addEventListener('submit', (event) => {
    event.preventDefault();
    const nick = $('nick').value.trim();
    if (nick === '') {
      showSignIn('Choose a nickname first.');
      return;
    }
    $('nick-error').textContent = '';
    $('sign-in-button').disabled = true;
    store.me.nick = nick;
    store.me.key ||= store.randomKey();
    connect();
  });
  $('sign-out').addEventListener('click', () => {
    net.quit();
    store.forget();
    $('nick').value = '';
    showSignIn();
  });
  $('add-room').addEventListener('click', () => dialogs.room(act));
  $('add-direct').addEventListener('click', () => dialogs.direct(act));
  $('invite').addEventListener('click', () => dialogs.invite(view.current()));
  $('leave').addEventListener('click', async () => {
    await net.leave(view.current());
    act.open(store.ui.current);
  });
  $('open-sidebar').addEventListener('click', () =>
    view.openDrawer('sidebar'));
  $('open-people').addEventListener('click', () => view.openDrawer('people'));
  for (const one of document.querySelectorAll('[data-close-drawer]'))
    one.addEventListener('click', view.closeDrawers);
  document.addEventListener('keydown', onKey);
  wireComposer();
  dialogs.wire();
  view.wire(act);
}

wire();
store.load();
if (store.me.nick) {
  connect();
  showApp();
} else {
  showSignIn();
}
