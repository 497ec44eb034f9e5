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
// Goes through the question whether a client may act for a person: asked.first, asked.second and asked.refused are
// the addresses that clients open, asked.callback is where they wait, asked.name is what the client calls itself.
import assert from "node:assert/strict";
import { asked, logIn, look, open } from "./chromium.mjs";

const { browser, context, page } = await open();
const complaints = [];
const elsewhere = [];
page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
page.on("pageerror", (error) => complaints.push(String(error)));
page.on("dialog", (dialog) => complaints.push(dialog.message()));

await page.goto(asked.first);
await logIn(page);
const allow = page.getByRole("button", { name: "Allow", exact: true });
await allow.waitFor();
complaints.length = 0;
page.on("request", (request) => {
  const url = request.url();
  if (!url.startsWith(asked.root) && !url.startsWith(asked.callback)) elsewhere.push(url);
});

// What a person reads.
await page.getByRole("heading", { level: 1, name: `Allow ${asked.name} to use Airflow?` }).waitFor();
const text = await page.locator("main").innerText();
for (const part of [asked.user, asked.name, new URL(asked.callback).host, "a program on this computer", "verified"]) {
  assert.ok(text.includes(part), `${part} is not on the page`);
}
const choice = page.getByRole("group", { name: "It may" });
const read = choice.getByRole("radio", { name: "Read only" });
const write = choice.getByRole("radio", { name: "Read and change" });
assert.ok(await read.isChecked());
await look(context, page, "consent");

const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
const light = await ground();
await page.emulateMedia({ colorScheme: "dark" });
assert.notEqual(await ground(), light);
await look(context, page, "consent-dark");
await page.setViewportSize({ width: 320, height: 640 });
await look(context, page, "consent-phone-dark");
await page.emulateMedia({ colorScheme: "light" });
await look(context, page, "consent-phone");
await page.setViewportSize({ width: 1200, height: 800 });

// By the keyboard alone, with the focus in sight.
const focused = () => page.evaluate(() => document.activeElement.value);
await page.keyboard.press("Tab");
assert.equal(await focused(), "read");
await page.keyboard.press("ArrowDown");
assert.ok(await write.isChecked());
await page.keyboard.press("Tab");
assert.equal(await focused(), "allow");
const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
assert.equal(outline, "solid");
await page.screenshot({ path: `${asked.folder}/consent-focus-airflow${asked.line}.png` });
await page.keyboard.press("Tab");
assert.equal(await focused(), "deny");
await page.keyboard.press("Shift+Tab");
await page.keyboard.press("Enter");
await page.waitForURL(`${asked.callback}?**`);
assert.ok(new URL(page.url()).searchParams.get("code"));

await page.goto(asked.second);
await page.getByRole("button", { name: "Do not allow" }).click();
await page.waitForURL(`${asked.callback}?**`);
assert.equal(new URL(page.url()).searchParams.get("error"), "access_denied");
assert.deepEqual(complaints, [], "what the browser complains of");
assert.deepEqual(elsewhere, [], "what is loaded from elsewhere");

// No page elsewhere shows the question in a frame.
await page.evaluate((url) => {
  const frame = document.createElement("iframe");
  frame.src = url;
  document.body.append(frame);
}, asked.second);
await page.waitForTimeout(2000);
for (const frame of page.frames().slice(1)) {
  assert.equal(await frame.locator("button").count(), 0, frame.url());
}

await page.goto(asked.refused);
await page.getByRole("heading", { level: 1, name: "This login cannot go on" }).waitFor();
await look(context, page, "consent-refused");
await browser.close();
