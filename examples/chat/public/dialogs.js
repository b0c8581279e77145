/*
 * Dialogs: find or create a room, write to somebody, invite somebody
 *
 * Each asks, tries, and closes only when the server agreed; a refusal is shown
 * beside the field that caused it.
 */
import * as net from './net.js';
import * as store from './store.js';
import { $, button, icon, make, plural } from './dom.js';

/* Show a dialog; attempt(...) returns what to complain about, '' if nothing. */
function run(dialog, field, complaint, attempt) {
  const form = dialog.querySelector('form');
  const send = form.querySelector('[type=submit]');
  field.value = '';
  complaint.textContent = '';
  field.removeAttribute('aria-invalid');
  form.onsubmit = async (event) => {
    event.preventDefault();
    send.disabled = true;
    complaint.textContent = '';
    const problem = await attempt(field.value.trim());
    send.disabled = false;
    if (problem) {
      complaint.textContent = problem;
      field.setAttribute('aria-invalid', 'true');
      field.focus();
    } else {
      dialog.close();
    }
  };
  if (!dialog.open) dialog.showModal();
  field.focus();
}

/* Enter a room that may not exist yet. */
async function enterRoom(name, isPrivate, act) {
  if (name === '') return 'Give the room a name.';
  if (name.startsWith('@')) return 'A room name cannot start with @.';
  let conversation = store.find(name);
  if (!conversation?.entered) {
    const fresh = !conversation;
    conversation ??= store.add(name, isPrivate
      ? { kind: 'private', key: store.randomKey() } : {});
    const answer = await net.enter(conversation);
    if (!answer.ok) {
      if (fresh) store.remove(name);
      return answer.message;
    }
  } else if (isPrivate && conversation.kind === 'public') {
    return 'You are in a public room of that name.';
  }
  act.open(conversation.name);
  return '';
}

export async function room(act) {
  const list = $('open-rooms');
  $('room-private').checked = false;
  list.replaceChildren();
  $('open-rooms-head').hidden = true;
  run($('room-dialog'), $('room-name'), $('room-error'), (name) =>
    enterRoom(name.replace(/^#/, ''), $('room-private').checked, act));

  const answer = await net.rooms();
  const others = (answer.rooms ?? []).filter((one) => !store.find(one.room));
  $('open-rooms-head').hidden = others.length === 0;
  list.replaceChildren(...others.map((one) => {
    const element = button('row', '', () => {
      $('room-name').value = one.room;
      $('room-private').checked = false;
      $('room-dialog').querySelector('form').requestSubmit();
    });
    element.append(icon('hash'), make('span', 'row-name', one.room),
      make('span', 'small', one.people > 0
        ? plural(one.people, 'person', 'people') : 'empty'));
    return make('li', '', element);
  }));
}

function person(head, act, attempt) {
  $('person-dialog-head').textContent = head;
  $('person-dialog').querySelector('[type=submit]').textContent = act;
  run($('person-dialog'), $('person-name'), $('person-error'), (name) => {
    const nick = name.replace(/^@/, '');
    if (nick === '') return 'Give a nickname.';
    if (store.fold(nick) === store.fold(store.me.nick)) return 'That is you.';
    return attempt(nick);
  });
}

/* Open the conversation with somebody. Returns what went wrong, or ''. */
export async function openDirect(nick, act) {
  const name = `@${nick}`;
  const fresh = !store.find(name);
  const conversation = store.add(name);
  if (!conversation.entered) {
    const answer = await net.enter(conversation);
    if (!answer.ok) {
      if (fresh) store.remove(name);
      return answer.message;
    }
  }
  act.open(name);
  return '';
}

export function direct(act) {
  person('Write to somebody', 'Write', (nick) => openDirect(nick, act));
}

export function invite(conversation) {
  person(`Invite somebody to ${conversation.name}`, 'Invite', async (nick) => {
    const answer = await net.invite(conversation, nick);
    return answer.ok ? '' : answer.message;
  });
}

export function wire() {
  for (const dialog of document.querySelectorAll('dialog')) {
    dialog.addEventListener('click', (event) => {
      if (event.target === dialog || event.target.closest('[data-close-dialog]'))
        dialog.close();
    });
  }
}
