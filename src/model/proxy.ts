/** A proxy's address as it may be shown: Docker puts these letters in place of name and password. */
export function withoutCredentials(address: string): string {
  return address.replace(/^([a-z]+:\/\/)?[^@/]*@/i, '$1xxxxx:xxxxx@');
}
