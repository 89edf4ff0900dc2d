// infill-ls settings --schema | node scripts/settings.mjs
// Writes the server's settings into package.json.

import { readFileSync, writeFileSync } from 'node:fs';

const PACKAGE = new URL('../package.json', import.meta.url);
// What a workspace that is not trusted, or another machine's settings, should not decide.
const MACHINE = new Set(['model', 'device']);

const manifest = JSON.parse(readFileSync(PACKAGE, 'utf8'));
const schema = JSON.parse(readFileSync(0, 'utf8'));
const [, server] = manifest.contributes.configuration;
server.properties = Object.fromEntries(
  Object.entries(schema.properties).map(([name, part]) => [
    `infill.${name}`,
    contributed(name, part),
  ]),
);
writeFileSync(PACKAGE, `${JSON.stringify(manifest, null, 2)}\n`);

function contributed(name, { description, ...part }) {
  const words = description.includes('`') ? 'markdownDescription' : 'description';
  return {
    ...part,
    [words]: description,
    ...(MACHINE.has(name) && { scope: 'machine-overridable' }),
  };
}
