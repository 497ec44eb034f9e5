// Licensed to the Apache Software Foundation (ASF) under one
// or more contributor license agreements.  See the NOTICE file
// distributed with this work for additional information
// regarding copyright ownership.  The ASF licenses this file
// to you under the Apache License, Version 2.0 (the
// "License"); you may not use this file except in compliance
// with the License.  You may obtain a copy of the License at
//
//   http://www.apache.org/licenses/LICENSE-2.0
//
// Unless required by applicable law or agreed to in writing,
// software distributed under the License is distributed on an
// "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY
// KIND, either express or implied.  See the License for the
// specific language governing permissions and limitations
// under the License.
// What the scripts that drive Chromium have in common: the browser, Airflow's login, the look for faults.
// What a script is to do stands in the variable ASKED, as JSON: root, line, user, chromium, modules, folder.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import assert from "node:assert/strict";

export const asked = JSON.parse(process.env.ASKED);
const require = createRequire(`${asked.modules}/`);
const { chromium } = require("playwright-core");

export async function open() {
  const browser = await chromium.launch({ executablePath: asked.chromium, args: ["--no-sandbox"] });
  const context = await browser.newContext({ viewport: { width: 1200, height: 800 }, ignoreHTTPSErrors: true });
  context.setDefaultTimeout(90_000);
  return { browser, context, page: await context.newPage() };
}

// Logs in on Airflow's own page, which is where the browser is, as a person does.
export async function logIn(page) {
  await page.locator('input[name="username"]').fill(asked.user);
  await page.locator('input[name="password"]').fill(asked.user);
  await page.locator('input[name="password"]').press("Enter");
}

// By the protocol of the browser's debugger: the page's own policy lets no foreign script run.
export async function look(context, page, name) {
  const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
  const session = await context.newCDPSession(page);
  await session.send("Runtime.evaluate", { expression: axe });
  const answer = await session.send("Runtime.evaluate", {
    expression: "axe.run().then((found) => JSON.stringify(found.violations))",
    awaitPromise: true,
  });
  await session.detach();
  const violations = JSON.parse(answer.result.value);
  assert.deepEqual(violations.map((one) => `${one.id}: ${one.nodes[0].html}`), [], `${name}: axe-core`);
  const width = await page.evaluate(() => document.scrollingElement.scrollWidth);
  assert.ok(width <= page.viewportSize().width, `${name} is ${width} wide`);
  await page.screenshot({ path: `${asked.folder}/${name}-airflow${asked.line}.png`, fullPage: true });
}
