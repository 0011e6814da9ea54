/** A key under which a body is started once at the most, however often it is sent. */

/** `crypto.randomUUID` is missing where a page comes over plain http from another machine. */
export function newKey(): string {
  return [...crypto.getRandomValues(new Uint8Array(16))]
    .map((byte) => byte.toString(16).padStart(2, '0'))
    .join('');
}
