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
// Opens what a client has opened (asked.url), logs in to Airflow and allows what asked.access says.
import { asked, logIn, open } from "./chromium.mjs";

const { browser, page } = await open();
await page.goto(asked.url);
await logIn(page);
await page.getByRole("button", { name: "Allow", exact: true }).waitFor();
await page.getByLabel(asked.access === "write" ? "Read and change" : "Read only").check();
const sent = page.waitForRequest((request) => !request.url().startsWith(asked.root));
await page.getByRole("button", { name: "Allow", exact: true }).click();
const request = await sent;
// Some clients end as soon as they have their answer.
await request.response().catch(() => null);
console.log(request.url());
await browser.close();
