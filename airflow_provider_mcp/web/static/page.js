/*
 Licensed to the Apache Software Foundation (ASF) under one
 or more contributor license agreements.  See the NOTICE file
 distributed with this work for additional information
 regarding copyright ownership.  The ASF licenses this file
 to you under the Apache License, Version 2.0 (the
 "License"); you may not use this file except in compliance
 with the License.  You may obtain a copy of the License at

   http://www.apache.org/licenses/LICENSE-2.0

 Unless required by applicable law or agreed to in writing,
 software distributed under the License is distributed on an
 "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY
 KIND, either express or implied.  See the License for the
 specific language governing permissions and limitations
 under the License.
*/
"use strict";

// The theme that the user has chosen in Airflow 3, which keeps it under this name; else it is the browser's.
try {
  const theme = localStorage.getItem("theme");
  if (theme === "dark" || theme === "light") document.documentElement.dataset.theme = theme;
} catch {
  // A browser that keeps nothing for pages has no choice to follow.
}

// Copies the text of the element that a button names.
for (const button of document.querySelectorAll("[data-copy]")) {
  button.addEventListener("click", async () => {
    const source = document.getElementById(button.dataset.copy);
    const label = button.firstChild;
    const before = label.textContent;
    try {
      await navigator.clipboard.writeText(source.textContent);
      label.textContent = "Copied";
    } catch {
      // Without HTTPS a page may not write to the clipboard: the text is selected, to be copied by hand.
      getSelection().selectAllChildren(source);
      label.textContent = "Selected";
    }
    setTimeout(() => { label.textContent = before; }, 2000);
  });
}

// Shows only what has all the words in a field.
for (const field of document.querySelectorAll("[data-filter]")) {
  const items = [...document.querySelectorAll(field.dataset.filter)].map((item) => ({
    item,
    text: (item.dataset.words ?? [...item.children].map((cell) => cell.textContent).join(" ")).toLowerCase(),
  }));
  field.addEventListener("input", () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const { item, text } of items) {
      item.hidden = !words.every((word) => text.includes(word));
      count += item.hidden ? 0 : 1;
    }
    for (const section of document.querySelectorAll(".toolset")) {
      section.hidden = !section.querySelector(".tool:not([hidden])");
    }
    document.getElementById("matches").textContent = words.length ? `${count} of ${items.length}` : "";
  });
}
