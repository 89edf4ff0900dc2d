// icon.png from icon.svg, drawn by Chromium: node scripts/icon.mjs /usr/bin/chromium

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const here = (name) => fileURLToPath(new URL(`../${name}`, import.meta.url));
const browser = await chromium.launch({ executablePath: process.argv[2], args: ['--no-sandbox'] });
const page = await browser.newPage({ viewport: { width: 128, height: 128 } });
await page.setContent(`<body style="margin:0">${readFileSync(here('icon.svg'), 'utf8')}</body>`);
await page.locator('svg').screenshot({ path: here('icon.png'), omitBackground: true });
await browser.close();
