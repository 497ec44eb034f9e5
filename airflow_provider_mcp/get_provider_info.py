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
# Written by scripts/generate_provider_info.py from provider.yaml.
# fmt: off
from __future__ import annotations

from typing import Any


def get_provider_info() -> dict[str, Any]:
    return {'package-name': 'apache-airflow-providers-mcp',
 'name': 'MCP',
 'description': '`Model Context Protocol (MCP) <https://modelcontextprotocol.io/>`__: Airflow '
                'answers MCP from inside\n'
                'its own web process, acting as the caller.\n',
 'integrations': [{'integration-name': 'Model Context Protocol (MCP)',
                   'external-doc-url': 'https://modelcontextprotocol.io/',
                   'tags': ['protocol']}],
 'hooks': [{'integration-name': 'Model Context Protocol (MCP)',
            'python-modules': ['airflow.providers.mcp.hooks.airflow_mcp']}],
 'connection-types': [{'connection-type': 'airflow_mcp',
                       'hook-class-name': 'airflow.providers.mcp.hooks.airflow_mcp.AirflowMCPHook',
                       'hook-name': 'Airflow MCP',
                       'ui-field-behaviour': {'hidden-fields': ['schema', 'port'],
                                              'relabeling': {'host': 'Airflow URL',
                                                             'login': 'Username'},
                                              'placeholders': {'host': 'https://airflow.example.com/prefix '
                                                                       '(empty: the Airflow '
                                                                       'that serves MCP)',
                                                               'login': 'empty with a bearer '
                                                                        'token',
                                                               'toolsets': 'dags,runs,tasks,diagnostics',
                                                               'confirm': 'destructive',
                                                               'untrusted_text': 'fence',
                                                               'timeout': '30'}},
                       'conn-fields': {'token': {'label': 'Bearer token',
                                                 'description': 'In place of a username and '
                                                                'password.',
                                                 'schema': {'type': ['string', 'null'],
                                                            'format': 'password'}},
                                       'insecure': {'label': 'Skip TLS verification',
                                                    'description': 'Accept any certificate. '
                                                                   'For tests only.',
                                                    'schema': {'type': ['boolean', 'null'],
                                                               'default': False}},
                                       'ca_bundle': {'label': 'CA bundle',
                                                     'description': 'A PEM file to verify the '
                                                                    'certificate with.',
                                                     'schema': {'type': ['string', 'null']}},
                                       'timeout': {'label': 'Timeout',
                                                   'description': 'Seconds to wait for one '
                                                                  'answer; 30 if empty.',
                                                   'schema': {'type': ['integer', 'null']}},
                                       'read_only': {'label': 'Read only',
                                                     'description': 'MCP: offer only tools '
                                                                    'that read.',
                                                     'schema': {'type': ['boolean', 'null'],
                                                                'default': False}},
                                       'toolsets': {'label': 'Toolsets',
                                                    'description': 'MCP: comma-separated '
                                                                   'toolsets to offer; empty '
                                                                   'for all.',
                                                    'schema': {'type': ['string', 'null']}},
                                       'disabled_tools': {'label': 'Disabled tools',
                                                          'description': 'MCP: comma-separated '
                                                                         'names of tools.',
                                                          'schema': {'type': ['string',
                                                                              'null']}},
                                       'confirm': {'label': 'Confirm',
                                                   'description': 'MCP: destructive, or write '
                                                                  'to confirm every change.',
                                                   'schema': {'type': ['string', 'null'],
                                                              'enum': ['none',
                                                                       'destructive',
                                                                       'write',
                                                                       '',
                                                                       None]}},
                                       'confirm_by': {'label': 'Confirm by',
                                                      'description': 'MCP: person, to confirm '
                                                                     "on Airflow's own page "
                                                                     'alone.',
                                                      'schema': {'type': ['string', 'null'],
                                                                 'enum': ['any',
                                                                          'person',
                                                                          '',
                                                                          None]}},
                                       'calls_per_minute': {'label': 'Calls a minute',
                                                            'description': 'MCP: most calls of '
                                                                           'one user.',
                                                            'schema': {'type': ['integer',
                                                                                'null'],
                                                                       'minimum': 0}},
                                       'writes_per_minute': {'label': 'Writes a minute',
                                                             'description': 'MCP: most changes '
                                                                            'of one user.',
                                                             'schema': {'type': ['integer',
                                                                                 'null'],
                                                                        'minimum': 0}},
                                       'untrusted_text': {'label': 'Untrusted text',
                                                          'description': 'MCP: fence or '
                                                                         'lockdown, for text '
                                                                         'of Dags and logs.',
                                                          'schema': {'type': ['string', 'null'],
                                                                     'enum': ['off',
                                                                              'fence',
                                                                              'lockdown',
                                                                              '',
                                                                              None]}},
                                       'max_result_chars': {'label': 'Result size',
                                                            'description': 'MCP: most '
                                                                           'characters of one '
                                                                           'result.',
                                                            'schema': {'type': ['integer',
                                                                                'null'],
                                                                       'minimum': 1}}}}],
 'cli': ['airflow.providers.mcp.cli.get_mcp_cli_commands'],
 'plugins': [{'name': 'mcp', 'plugin-class': 'airflow.providers.mcp.plugin.MCPPlugin'}],
 'config': {'mcp': {'description': 'The MCP endpoint at ``<base_url>/mcp/v1`` and what it '
                                   'offers. The connection named by\n'
                                   '``conn_id`` can narrow ``read_only``, ``toolsets``, '
                                   '``disabled_tools``, ``confirm``, ``confirm_by``, the two '
                                   'rates,\n'
                                   '``untrusted_text`` and ``max_result_chars`` while Airflow '
                                   'runs; it can never widen them. With a\n'
                                   'malformed value or an unknown option, only reading is '
                                   'offered until it is mended.\n',
                    'options': {'enabled': {'description': 'Mount the MCP endpoint. Takes '
                                                           'effect when the web process '
                                                           'starts.\n',
                                            'version_added': '0.1.0',
                                            'type': 'boolean',
                                            'example': None,
                                            'default': 'True'},
                                'read_only': {'description': 'Offer and run only tools that '
                                                             'read; the client that tools use '
                                                             'refuses anything but reads.\n',
                                              'version_added': '0.1.0',
                                              'type': 'boolean',
                                              'example': 'True',
                                              'default': 'False'},
                                'toolsets': {'description': 'Comma-separated toolsets to '
                                                            'offer, or ``all``. The built-in '
                                                            'ones are ``dags``, ``runs``,\n'
                                                            '``tasks``, ``dag_tools``, '
                                                            '``assets``, ``backfills``, '
                                                            '``admin``, ``diagnostics`` and '
                                                            '``api``.\n',
                                             'version_added': '0.1.0',
                                             'type': 'string',
                                             'example': 'dags,runs,tasks,diagnostics',
                                             'default': 'all'},
                                'disabled_tools': {'description': 'Comma-separated names of '
                                                                  'tools that are neither '
                                                                  'listed nor callable. '
                                                                  '``call_api`` can still do '
                                                                  'what\n'
                                                                  'a disabled tool did, as far '
                                                                  'as the caller may: disable '
                                                                  'it, too.\n',
                                                   'version_added': '0.1.0',
                                                   'type': 'string',
                                                   'example': 'delete_dag,call_api',
                                                   'default': ''},
                                'confirm': {'description': 'Which tools ask for a confirmation '
                                                           'before they act: ``none``, '
                                                           '``destructive``, or\n'
                                                           '``write`` for both writing and '
                                                           'destructive tools.\n',
                                            'version_added': '0.1.0',
                                            'type': 'string',
                                            'example': 'write',
                                            'default': 'destructive'},
                                'confirm_by': {'description': 'Who may confirm: with ``any``, '
                                                              'whoever makes the call, by a '
                                                              'form of the client or by a '
                                                              'second call.\n'
                                                              'With ``person`` the caller '
                                                              "confirms on Airflow's own page "
                                                              '``<base_url>/mcp/confirm/...``, '
                                                              'logged in to\n'
                                                              'Airflow in a browser; nothing '
                                                              'that a client or a model sends '
                                                              'can do it.\n',
                                               'version_added': '0.1.0',
                                               'type': 'string',
                                               'example': 'person',
                                               'default': 'any'},
                                'calls_per_minute': {'description': 'How many calls one user '
                                                                    'may make a minute in one '
                                                                    'web process. A call '
                                                                    'beyond it is refused with '
                                                                    'the\n'
                                                                    'seconds to wait. 0 sets '
                                                                    'no limit.\n',
                                                     'version_added': '0.1.0',
                                                     'type': 'integer',
                                                     'example': '120',
                                                     'default': '600'},
                                'writes_per_minute': {'description': 'How many of these calls '
                                                                     'may change something. 0 '
                                                                     'sets no limit.\n',
                                                      'version_added': '0.1.0',
                                                      'type': 'integer',
                                                      'example': '10',
                                                      'default': '60'},
                                'untrusted_text': {'description': 'What is done with text that '
                                                                  'Dags, logs and their '
                                                                  'systems wrote: ``fence`` '
                                                                  'marks it in the text that\n'
                                                                  'a model reads, ``lockdown`` '
                                                                  'leaves nothing of it but '
                                                                  'exception types, frames and '
                                                                  'names of signals,\n'
                                                                  '``off`` does neither. '
                                                                  'Hidden characters and known '
                                                                  'forms of secrets are '
                                                                  'removed in any case.\n',
                                                   'version_added': '0.1.0',
                                                   'type': 'string',
                                                   'example': 'lockdown',
                                                   'default': 'fence'},
                                'audit_log': {'description': 'Which calls of tools get a row '
                                                             "``mcp.tool_call`` in Airflow's "
                                                             'audit log, with the caller, the '
                                                             'Dag, run\n'
                                                             'and task where known, client, '
                                                             'tool, outcome and duration, '
                                                             'never the arguments: ``all``, '
                                                             '``writes``\n'
                                                             '(all but those that only read) '
                                                             'or ``none``. Takes effect when '
                                                             'the web process starts.\n',
                                              'version_added': '0.1.0',
                                              'type': 'string',
                                              'example': 'writes',
                                              'default': 'all'},
                                'conn_id': {'description': 'The connection whose extra narrows '
                                                           'these options at run time, within '
                                                           '30 seconds and\n'
                                                           'without a restart. It need not '
                                                           'exist.\n',
                                            'version_added': '0.1.0',
                                            'type': 'string',
                                            'example': None,
                                            'default': 'mcp_default'},
                                'max_result_chars': {'description': 'How many characters one '
                                                                    'tool result may have. '
                                                                    'What does not fit is cut '
                                                                    'at item borders,\n'
                                                                    'and the result says how '
                                                                    'to get the rest.\n',
                                                     'version_added': '0.1.0',
                                                     'type': 'integer',
                                                     'example': '20000',
                                                     'default': '40000'},
                                'max_request_bytes': {'description': 'How many bytes the body '
                                                                     'of one request may have. '
                                                                     'A larger one gets HTTP '
                                                                     '413.\n',
                                                      'version_added': '0.1.0',
                                                      'type': 'integer',
                                                      'example': None,
                                                      'default': '4194304'},
                                'allowed_origins': {'description': 'Comma-separated origins of '
                                                                   'browser pages, beside the '
                                                                   "server's own, that may "
                                                                   'call the\n'
                                                                   'endpoint. A request with '
                                                                   'any other ``Origin`` '
                                                                   'header gets HTTP 403.\n',
                                                    'version_added': '0.1.0',
                                                    'type': 'string',
                                                    'example': 'https://inspector.example.com',
                                                    'default': ''},
                                'dag_tool_tag': {'description': 'Dags with this tag are '
                                                                'offered as tools, '
                                                                '``run_<dag_id>``, to those '
                                                                'who may start them. Empty\n'
                                                                'switches it off.\n',
                                                 'version_added': '0.1.0',
                                                 'type': 'string',
                                                 'example': 'agents',
                                                 'default': 'mcp'},
                                'max_dag_tools': {'description': 'How many Dags are offered as '
                                                                 'tools to one caller: the '
                                                                 'first ones by their IDs.\n',
                                                  'version_added': '0.1.0',
                                                  'type': 'integer',
                                                  'example': '20',
                                                  'default': '50'},
                                'remember_credentials': {'description': 'On Airflow 2 with '
                                                                        'basic authentication: '
                                                                        'do not hash a '
                                                                        'password again that '
                                                                        'was found good, as '
                                                                        'long as\n'
                                                                        'the user is active '
                                                                        'and their row in the '
                                                                        'database, the stored '
                                                                        'hash included, is the '
                                                                        'very same. A\n'
                                                                        'process keeps a keyed '
                                                                        'digest of the '
                                                                        'credential, never the '
                                                                        'password.\n',
                                                         'version_added': '0.1.0',
                                                         'type': 'boolean',
                                                         'example': 'False',
                                                         'default': 'True'},
                                'accept_airflow_tokens': {'description': "Take what Airflow's "
                                                                         'own REST API takes '
                                                                         'in the Authorization '
                                                                         "header: Airflow 3's "
                                                                         'tokens, or what\n'
                                                                         "Airflow 2's ``[api] "
                                                                         'auth_backends`` '
                                                                         'take. With False, '
                                                                         'the tokens of the '
                                                                         'login by OAuth\n'
                                                                         '(``oauth_enabled``) '
                                                                         'and of ``airflow-mcp '
                                                                         'token`` are taken, '
                                                                         'and nothing else.\n',
                                                          'version_added': '0.1.0',
                                                          'type': 'boolean',
                                                          'example': 'False',
                                                          'default': 'True'},
                                'oauth_enabled': {'description': 'Let clients that know only '
                                                                 'the address log in by OAuth, '
                                                                 "through Airflow's own login "
                                                                 'page. It needs\n'
                                                                 'https (or loopback), a '
                                                                 'configured secret key, and '
                                                                 'Airflow 3.1 or later with '
                                                                 'the simple or the FAB\n'
                                                                 'auth manager, or Airflow '
                                                                 '2.11 with FAB; elsewhere it '
                                                                 'stays off and the log says '
                                                                 'why.\n',
                                                  'version_added': '0.1.0',
                                                  'type': 'boolean',
                                                  'example': 'False',
                                                  'default': 'True'},
                                'oauth_client_metadata': {'description': 'Which Client ID '
                                                                         'Metadata Documents '
                                                                         'are taken from '
                                                                         'clients that log in: '
                                                                         '``pinned``, those of '
                                                                         'known\n'
                                                                         'clients that came '
                                                                         'with this package; '
                                                                         '``fetch``, any, read '
                                                                         "from the client's "
                                                                         'own server by '
                                                                         'https;\n'
                                                                         'or ``off``.\n',
                                                          'version_added': '0.1.0',
                                                          'type': 'string',
                                                          'example': 'fetch',
                                                          'default': 'pinned'},
                                'oauth_redirect_targets': {'description': 'Comma-separated '
                                                                          'addresses, to the '
                                                                          'letter, to which a '
                                                                          'login may send its '
                                                                          'answer, beside '
                                                                          'loopback and\n'
                                                                          'the callbacks of '
                                                                          'known clients.\n',
                                                           'version_added': '0.1.0',
                                                           'type': 'string',
                                                           'example': 'https://tools.example.com/callback',
                                                           'default': ''}}}}}
