/*
 * Node's HTTP without the facades of its modules. Importing `node:http` reads every export there is, `WebSocket` among them, and
 * with that loads all of undici: 16 MB and 100 ms of processor time. What needs TLS is loaded by whoever comes to need it: 5 MB.
 */

/** `node:http` */
export function http(): typeof import('node:http') {
  return process.getBuiltinModule('node:http');
}

/** `node:https` */
export function https(): typeof import('node:https') {
  return process.getBuiltinModule('node:https');
}

/** `node:tls` */
export function tls(): typeof import('node:tls') {
  return process.getBuiltinModule('node:tls');
}
