// node scripts/package.mjs [FILE]: the .vsix, the same bytes for the same sources.

import { chmodSync, mkdirSync, readdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

// Read by vsce: the date of every file in the archive, 2000-01-01.
process.env.SOURCE_DATE_EPOCH = '946684800';
// The archive has local times, and the files' own modes.
process.env.TZ = 'UTC';

await import('./bundle.mjs');
const { createVSIX } = await import('@vscode/vsce');
const here = fileURLToPath(new URL('..', import.meta.url));
const pages = readdirSync(`${here}walkthrough`).map((name) => `walkthrough/${name}`);
for (const name of ['dist/extension.js', 'icon.png', 'LICENSE', 'README.md', ...pages]) {
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
