// node scripts/package.mjs [FILE [WHEEL]]: the .vsix, the same bytes for the same sources.
// With WHEEL the server comes along, for the button that installs it.

import { chmodSync, copyFileSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

// Read by vsce: the date of every file in the archive, 2000-01-01.
process.env.SOURCE_DATE_EPOCH = '946684800';
// The archive has local times, and the files' own modes.
process.env.TZ = 'UTC';

await import('./bundle.mjs');
const { createVSIX } = await import('@vscode/vsce');
const here = fileURLToPath(new URL('..', import.meta.url));
rmSync(`${here}server`, { recursive: true, force: true });
if (process.argv[3] !== undefined) {
  mkdirSync(`${here}server`);
  copyFileSync(process.argv[3], `${here}server/${basename(process.argv[3])}`);
}
const wheels = process.argv[3] === undefined ? [] : [`server/${basename(process.argv[3])}`];
const pages = readdirSync(`${here}walkthrough`).map((name) => `walkthrough/${name}`);
for (const name of ['dist/extension.js', 'icon.png', 'LICENSE', 'README.md', ...pages, ...wheels]) {
  chmodSync(here + name, 0o644);
}
const file =
  process.argv[2] ?? fileURLToPath(new URL('../../../build/vscode/infill.vsix', import.meta.url));
mkdirSync(dirname(file), { recursive: true });
await createVSIX({
  cwd: here,
  packagePath: file,
  dependencies: false,
  allowMissingRepository: true,
});
rmSync(`${here}server`, { recursive: true, force: true });
