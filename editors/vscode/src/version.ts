/** Whether two releases were made for each other. */

/** While the first number is 0 the second one stands for incompatible changes, as in semver. */
export function fits(ours: string, theirs: string | undefined): boolean {
  return theirs !== undefined && series(ours) === series(theirs);
}

function series(version: string): string {
  const [major = '', minor = ''] = version.split('.');
  return major === '0' ? `${major}.${minor}` : major;
}
