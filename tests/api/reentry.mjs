// Every call from every callback, complete by construction: prints what neither
// the tables of the matrix nor the list of exceptions, reentry.txt, have.
//
//     node tests/api/reentry.mjs [exceptions]
import { readFileSync, readdirSync } from 'node:fs'

const read = (name) => readFileSync(name, 'utf8')
const all = (text, pattern) => [...text.matchAll(pattern)].map((m) => m[1])

const headers = readdirSync('include/socketio')
  .filter((name) => name.endsWith('.h'))
  .map((name) => read('include/socketio/' + name))
  .join('\n')
  .replace(/\/\*[^]*?\*\//g, '')

// Types of functions, and members that point to one; a parameter that does is
// named by its function.
const callbacks = all(headers, /typedef [^;{(]*?\b(skio_\w+)\(/g)
for (const [, name, body] of headers.matchAll(
  /struct (\w+) \{([^]*?)\n\}/g
))
  for (const member of all(body, /\(\*(\w+)\)\(/g))
    callbacks.push(name + '.' + member)
for (const [, name, list] of headers.matchAll(
  /^SKIO_API [^;(]*?\b(skio_\w+)\(([^;]*);/gm
))
  for (const parameter of all(list, /\(\*(\w+)\)\(/g))
    callbacks.push(name + '.' + parameter)

const scenario = readdirSync('tests/scenario')
  .filter((name) => /^reentry.*\.c$/.test(name))
  .map((name) => read('tests/scenario/' + name))
  .join('\n')
const transport = read('tests/transport/test_reentry.c')
const between = transport.split('/* ---- Calls ---- */')[1]
  .split('/* ---- Clients ---- */')[0]

const moments = [
  ...all(scenario, /^ {4}\{"((?:skio_)[\w.]+)/gm),
  ...all(scenario, /^ {4}(?:OP|ASKED)\((\w+)/gm)
    .map((op) => 'skio_adapter_ops.' + op)
]
const calls = [
  ...all(scenario, /^ {4}[A-Z_]+\(X, (skio_\w+)/gm),
  ...all(scenario, /^ {4}X\((skio_\w+)/gm),
  ...all(between, /\b(skio_\w+)\(/g)
]

// "name: where or why"; a place is a file with a word that must be in it.
const exceptions = new Map()
for (const line of read(process.argv[2] ?? 'tests/api/reentry.txt').split('\n')) {
  const found = /^([\w.]+): (\S.*)$/.exec(line)
  if (found) {
    if (exceptions.has(found[1])) console.log(found[1] + ' is there twice')
    exceptions.set(found[1], found[2])
  } else if (line !== '' && !line.startsWith('#') && !line.startsWith('  ')) {
    console.log('neither a name with its reason nor a comment: ' + line)
  }
}

const functions = read('tests/api/exports.txt').trim().split('\n')
const known = new Set([...moments, ...calls])
const needed = new Set([...callbacks, ...functions])

for (const name of needed)
  if (!known.has(name) && !exceptions.has(name))
    console.log(name + ': neither in a table nor among the exceptions')
for (const [name, reason] of exceptions) {
  const place = /^(tests\/\S+) (\w+)$/.exec(reason)

  if (!needed.has(name)) console.log(name + ': an exception of nothing')
  if (known.has(name)) console.log(name + ': in a table, and an exception')
  if (place && !new RegExp('\\b' + place[2] + '\\b').test(read(place[1])))
    console.log(name + ': not in ' + place[1])
}
for (const name of known)
  if (!needed.has(name) && !/^skio_transport_log$/.test(name))
    console.log(name + ': in a table, but in no header')
