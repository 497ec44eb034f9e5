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

// Drives Chromium through the pages of a running Airflow. What it is to do stands in the variable ASKED, as JSON:
// root, line, user, run (of demo_params), approve and decline (addresses), folder (for screenshots), chromium, modules.
import assert from "node:assert/strict";
import { asked, logIn, look, open } from "./chromium.mjs";

const { browser, context, page } = await open();
await context.grantPermissions(["clipboard-read", "clipboard-write"], { origin: asked.root });
const complaints = [];
page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
page.on("pageerror", (error) => complaints.push(String(error)));
const elsewhere = [];
page.on("request", (request) => {
  const url = request.url();
  if (!url.startsWith(asked.root) && !url.startsWith("data:")) elsewhere.push(url);
});

const check = (name) => look(context, page, name);

await page.goto(`${asked.root}/mcp/`);
await logIn(page);
await page.waitForURL("**/mcp/");
await page.evaluate(() => localStorage.removeItem("theme"));
complaints.length = 0;
elsewhere.length = 0;

await page.getByRole("heading", { name: "Connect a client" }).waitFor();
await check("connect");
await page.getByRole("button", { name: "Copy" }).first().click();
await page.getByRole("button", { name: "Copied" }).waitFor();
assert.equal(await page.evaluate(() => navigator.clipboard.readText()), `${asked.root}/mcp/v1`);
await page.getByText("Cursor", { exact: true }).click();
const link = await page.getByRole("link", { name: "Add to Cursor" }).getAttribute("href");
assert.match(link, /^cursor:\/\//);

// The user's own grants, each with a button.
assert.equal(await page.getByRole("button", { name: /^Revoke/ }).count(), 2);
await page.getByRole("button", { name: "Revoke nightly report" }).scrollIntoViewIfNeeded();
await check("grants");
await page.getByRole("button", { name: "Revoke nightly report" }).click();
await page.waitForURL("**/mcp/#grants");
assert.equal(await page.getByRole("button", { name: /^Revoke/ }).count(), 1);
assert.equal(await page.getByText("nightly report").count(), 0);

await page.emulateMedia({ colorScheme: "dark" });
await check("connect-dark");
const ground = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
assert.equal(ground, "rgb(20, 24, 31)");
// What is chosen in Airflow 3 goes before what the browser prefers.
await page.evaluate(() => localStorage.setItem("theme", "light"));
await page.reload();
assert.equal(await page.evaluate(() => getComputedStyle(document.body).backgroundColor), "rgb(255, 255, 255)");
await page.evaluate(() => localStorage.removeItem("theme"));
await page.emulateMedia({ colorScheme: "light" });

await page.getByRole("link", { name: "Tools" }).click();
await page.getByLabel("Filter").fill("task logs");
const shown = await page.locator(".tool:visible").count();
assert.ok(shown > 0 && shown < 20, `${shown} tools are shown`);
await check("tools");
await page.getByLabel("Filter").fill("list_dags");
await page.locator(".tool:visible summary").first().click();
await page.locator('.tool[open] input[name="argument.limit"]').fill("1");
await page.locator(".tool[open]").getByRole("button", { name: /Try it/ }).click();
await page.getByRole("heading", { name: "Answer" }).waitFor();
assert.match(await page.locator("#answer").textContent(), /"total"/);
await check("answer");

for (const name of ["Calls", "Faults", "Diagnose"]) {
  await page.getByRole("link", { name, exact: true }).click();
  await page.getByRole("heading", { level: 1 }).waitFor();
  await check(name.toLowerCase());
}
await page.goto(`${asked.root}/mcp/calls`);
const calls = await page.locator(".call").count();
assert.ok(calls > 3, `${calls} calls are shown`);
await page.getByLabel("Filter").fill("trigger_dag");
assert.equal(await page.locator(".call:visible").count(), 1);
// A call's run is a link to what is wrong with it.
await page.locator(".call:visible a").click();
await page.getByRole("heading", { name: "What it waits for" }).waitFor();
assert.equal(await page.getByLabel("Run").inputValue(), asked.run);
await check("diagnosis");

await page.setViewportSize({ width: 375, height: 700 });
for (const path of ["", "tools", "calls", "faults", "diagnose"]) {
  await page.goto(`${asked.root}/mcp/${path}`);
  await check(`phone-${path || "connect"}`);
}
await page.setViewportSize({ width: 1200, height: 800 });

await page.goto(asked.approve);
await check("approve");
// By the keyboard alone.
await page.getByRole("button", { name: "Approve" }).focus();
await page.keyboard.press("Enter");
await page.getByText("You have approved").waitFor();
await check("approved");
await page.goto(asked.decline);
await page.emulateMedia({ colorScheme: "dark" });
await check("decline-dark");
await page.getByRole("button", { name: "Decline" }).click();
await page.getByText("You have declined").waitFor();
await page.emulateMedia({ colorScheme: "light" });

assert.deepEqual(complaints, [], "what the browser complains of");
assert.deepEqual(elsewhere, [], "what is loaded from elsewhere");

// Airflow's own navigation.
await page.goto(asked.root);
await page.getByRole(asked.line === 3 ? "button" : "link", { name: "Browse" }).first().click();
const entry = page.getByRole(asked.line === 3 ? "menuitem" : "link", { name: "MCP" }).first();
await entry.waitFor();
await page.screenshot({ path: `${asked.folder}/navigation-airflow${asked.line}.png` });
if (asked.line === 3) {
  // The tab on a Dag run, in the frame that Airflow has for it.
  await page.goto(`${asked.root}/dags/demo_params/runs/${encodeURIComponent(asked.run)}`);
  await page.getByRole("link", { name: "Diagnose" }).click();
  const frame = page.frameLocator('iframe[title="Diagnose"]');
  await frame.getByRole("heading", { name: "What it waits for" }).waitFor();
  assert.equal(await frame.getByLabel("Run").inputValue(), asked.run);
  await page.screenshot({ path: `${asked.folder}/diagnose-tab-airflow3.png` });
  // Its form and its links work there as well.
  await frame.getByRole("button", { name: "Diagnose" }).click();
  await frame.getByRole("heading", { name: "What it waits for" }).waitFor();
  await frame.getByRole("link", { name: "Tools" }).click();
  await frame.getByLabel("Filter").fill("list_dags");
  assert.ok((await frame.locator(".tool:visible").count()) < 5, "the page's script runs in the frame");
}
await browser.close();
