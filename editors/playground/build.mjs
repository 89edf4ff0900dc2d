// Bundles the page into lsp_server/playground/, where the package serves it from. The same sources
// give the same bytes. `sources.sha256` lets the tests see, without node, that it was run.
import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const out = join(here, "../../lsp_server/playground");

const { outputFiles } = await build({
  absWorkingDir: here,
  entryPoints: {
    playground: "src/main.ts",
    worker: "node_modules/monaco-editor/esm/vs/editor/editor.worker.js",
  },
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  loader: { ".ttf": "dataurl" },
  legalComments: "none",
  outdir: out,
  write: false,
});
mkdirSync(out, { recursive: true });
const page = { path: join(out, "index.html"), contents: readFileSync(join(here, "src/index.html")) };
for (const { path, contents } of [...outputFiles, page]) {
  writeFileSync(`${path}.gz`, gzipSync(contents, { level: 9 }));
}
copyFileSync(join(here, "node_modules/monaco-editor/LICENSE"), join(out, "LICENSE.monaco-editor"));

const digest = createHash("sha256");
for (const name of ["package-lock.json", "build.mjs", ...sources()]) {
  digest.update(`${name}\n`).update(readFileSync(join(here, name)));
}
writeFileSync(join(out, "sources.sha256"), `${digest.digest("hex")}\n`);

function sources() {
  return readdirSync(join(here, "src"))
    .sort()
    .map((name) => `src/${name}`);
}
