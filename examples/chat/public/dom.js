/*
 * Small helpers to build the page
 *
 * Text reaches the page through textContent alone, so that nothing anybody
 * writes is ever read as markup.
 */
const SVG = 'http://www.w3.org/2000/svg';

export const $ = (id) => document.getElementById(id);

/* make('p', 'small', 'text') or make('p', 'small', child, child) */
export function make(tag, className = '', ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children.filter((child) => child !== null));
  return element;
}

export function button(className, label, onClick) {
  const element = make('button', className, label);
  element.type = 'button';
  element.addEventListener('click', onClick);
  return element;
}

export function icon(name) {
  const svg = document.createElementNS(SVG, 'svg');
  const use = document.createElementNS(SVG, 'use');
  svg.setAttribute('aria-hidden', 'true');
  use.setAttribute('href', `#i-${name}`);
  svg.append(use);
  return svg;
}

/* Write only what differs: an unchanged aria-live region stays silent. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/* A round picture made of the first letter, in a colour made of the name. */
export function paintAvatar(element, name) {
  let hash = 7;
  for (const letter of name.toLowerCase())
    hash = (hash * 31 + letter.codePointAt(0)) % 997;
  element.style.setProperty('--hue', String((hash * 47) % 360));
  setText(element, [...name][0]?.toUpperCase() ?? '?');
  return element;
}

export function avatar(name, className = '') {
  const element = make('span', `avatar ${className}`);
  element.setAttribute('aria-hidden', 'true');
  return paintAvatar(element, name);
}

const TOAST_MS = 7000;
const TOASTS_MAX = 3;

export function toast(text) {
  const box = $('toasts');
  const one = make('div', 'toast', icon('alert'), make('span', '', text));
  const close = button('icon', '', () => one.remove());
  close.setAttribute('aria-label', 'Dismiss');
  close.append(icon('close'));
  one.append(close);
  box.append(one);
  while (box.children.length > TOASTS_MAX) box.firstChild.remove();
  setTimeout(() => one.remove(), TOAST_MS);
}

export const plural = (n, one, many = `${one}s`) =>
  `${n} ${n === 1 ? one : many}`;
