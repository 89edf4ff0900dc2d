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
  Object.entries(schema.properties).map(([name, part], order) => [
    `infill.${name}`,
    contributed(name, part, order),
  ]),
);
writeFileSync(PACKAGE, `${JSON.stringify(manifest, null, 2)}\n`);

function contributed(name, { description, ...part }, order) {
  const words = description.includes('`') ? 'markdownDescription' : 'description';
  return {
    ...editable(part),
    // The settings editor leaves a field empty for null.
    [words]: description.replace('null: ', 'automatic: ').replace('null', 'empty'),
    order,
    ...(MACHINE.has(name) && { scope: 'machine-overridable' }),
  };
}

/** What the settings editor has no field for, as something that it has one for. */
function editable(part) {
  if (!Array.isArray(part.type) || !part.type.includes('null')) {
    return part;
  }
  const [kind] = part.type;
  if (kind === 'boolean') {
    return { ...part, enum: [null, true, false], enumItemLabels: ['Automatic', 'On', 'Off'] };
  }
  if (kind === 'string') {
    return { type: 'string', default: '' }; // src/settings.ts sends null for it
  }
  return part;
}
