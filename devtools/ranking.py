# Licensed to the Apache Software Foundation (ASF) under one
# or more contributor license agreements.  See the NOTICE file
# distributed with this work for additional information
# regarding copyright ownership.  The ASF licenses this file
# to you under the Apache License, Version 2.0 (the
# "License"); you may not use this file except in compliance
# with the License.  You may obtain a copy of the License at
#
#   http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing,
# software distributed under the License is distributed on an
# "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY
# KIND, either express or implied.  See the License for the
# specific language governing permissions and limitations
# under the License.
"""Rank texts by BM25, as a client's search over tools does."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping


def words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", text.replace("_", " ").lower())


def rank_by_bm25(question: str, documents: Mapping[str, str]) -> list[str]:
    """Return the names of the texts that share a word with the question, the best first (k1 1.2, b 0.75)."""
    texts = {name: words(text) for name, text in documents.items()}
    mean = sum(map(len, texts.values())) / max(len(texts), 1)
    scores: dict[str, float] = dict.fromkeys(texts, 0.0)
    for word in sorted(set(words(question))):
        holding = sum(word in text for text in texts.values())
        weight = math.log(1 + (len(texts) - holding + 0.5) / (holding + 0.5))
        for name, text in texts.items():
            count = text.count(word)
            scores[name] += weight * count * 2.2 / (count + 1.2 * (0.25 + 0.75 * len(text) / mean))
    return [name for name in sorted(scores, key=lambda name: -scores[name]) if scores[name] > 0]
