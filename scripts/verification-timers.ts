interface VerificationOptions {
  /** Name of the site. */
  site: string;
  /** site.yaml, absolute. */
  file: string;
  /** Where verdicts lie, relative to site.yaml. */
  verdicts: string;
  /** A store is read over ssh, which wants an agent: nothing that starts by itself has one. */
  agent: boolean;
  /** The node that runs this, and the program it runs: absolute paths. */
  node: string;
  program: string;
}

/**
 * What an owner pastes so that backups are verified without anybody thinking of it: each day those that nobody has read are, and
 * each month two are restored, the newest and one drawn at random. Units of systemd, and the same as a job of CI. Pure.
 */
export function verificationTimers(options: VerificationOptions): string {
  return [...systemdUnits(options), "", ...ciJob(options)].join("\n");
}

function systemdUnits({ site, file, agent, node, program }: VerificationOptions): string[] {
  const service = (name: string, description: string, ...args: string[]) => {
    const words = [node, program, ...args, "--sign", "--site", file];
    const command = agent
      ? [
          "/usr/bin/ssh-agent",
          "/bin/sh",
          "-c",
          `ssh-add -q ${storeKey} && exec ${words.map(forShell).join(" ")}`,
        ]
      : words;
    return [
      `# /etc/systemd/system/${name}.service`,
      ...[
        "[Unit]",
        `Description=${description}`,
        "Wants=network-online.target",
        "After=network-online.target",
        "",
      ],
      ...["[Service]", "Type=oneshot", `ExecStart=${command.map(forSystemd).join(" ")}`, ""],
    ];
  };
  const timer = (name: string, description: string, calendar: string) => [
    `# /etc/systemd/system/${name}.timer`,
    ...["[Unit]", `Description=${description}`, ""],
    ...["[Timer]", `OnCalendar=${calendar}`, "RandomizedDelaySec=30min", "Persistent=yes", ""],
    ...["[Install]", "WantedBy=timers.target", ""],
  ];
  const jobs: [name: string, description: string, calendar: string, args: string[]][] = [
    [
      `verify-${site}`,
      `Reads the backups of ${site} that nobody has read`,
      "*-*-* 05:00",
      ["points", "verify", "--new"],
    ],
    [
      `prove-${site}`,
      `Restores the newest backup of ${site} on a machine that is thrown away`,
      "*-*-02 06:00",
      ["drill"],
    ],
    [
      `draw-${site}`,
      `Restores a backup of ${site} that is drawn at random`,
      "*-*-03 06:00",
      ["drill", "--draw"],
    ],
  ];
  return [
    "# On a computer that makes none of these backups, as root. A unit that fails stands in `systemctl --failed`; add OnFailure= for more.",
    ...(agent
      ? [`# ${storeKey} stands for a key that your stores know, without a passphrase: correct it.`]
      : []),
    `# Then: systemctl enable --now ${jobs.map(([name]) => `${name}.timer`).join(" ")}`,
    "",
    ...jobs.flatMap(([name, description, calendar, args]) => [
      ...service(name, description, ...args),
      ...timer(name, description, calendar),
    ]),
  ];
}

const storeKey = "/root/.ssh/id_ed25519";

function ciJob({ site, agent, verdicts }: VerificationOptions): string[] {
  const step = (condition: string, ...commands: string[]) => [
    `      - if: ${condition}`,
    "        run: |",
    ...commands.map((command) => `          ${command}`),
  ];
  const monthly = "always() && github.event.schedule == '0 6 2 * *'";
  return [
    "# Or as a job of CI, here of GitHub: .github/workflows/backups.yml in the repository that holds site.yaml, with recovery-stack",
    "# in its package.json. It keeps what it signed by a commit. Give it the secrets that site.yaml names, as `env:` of the job.",
    `name: backups of ${site}`,
    "on:",
    "  schedule:",
    `    - cron: "0 5 * * *"`,
    `    - cron: "0 6 2 * *"`,
    "permissions:",
    "  contents: write",
    "jobs:",
    "  verify:",
    "    runs-on: ubuntu-latest",
    "    steps:",
    "      - uses: actions/checkout@v4",
    "      - uses: actions/setup-node@v4",
    "        with:",
    "          node-version: 20",
    "      - run: npm ci && sudo apt-get update && sudo apt-get install -y age zstd rclone",
    ...(agent
      ? [
          "      - run: |",
          '          ssh-agent -a "$RUNNER_TEMP/agent" && export SSH_AUTH_SOCK="$RUNNER_TEMP/agent"',
          '          ssh-add -q - <<<"$STORE_KEY" && echo "SSH_AUTH_SOCK=$SSH_AUTH_SOCK" >>"$GITHUB_ENV"',
          "        env:",
          "          STORE_KEY: ${{ secrets.STORE_KEY }}",
        ]
      : []),
    "      - run: npx recovery points verify --new --sign",
    ...step(monthly, 'sudo --preserve-env "$(which npx)" recovery drill --sign'),
    ...step(monthly, 'sudo --preserve-env "$(which npx)" recovery drill --draw --sign'),
    ...step(
      "always()",
      `git add ${forShell(verdicts)}`,
      "git diff --cached --quiet || git -c user.name=verifier -c user.email=verifier@localhost commit -m Verdicts",
      "git push",
    ),
  ];
}

function forShell(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}

/** As systemd reads a word of a command line. */
function forSystemd(word: string): string {
  const escaped = word.replaceAll("%", "%%").replaceAll("$", "$$$$");
  return /^[\w@%+=:,./$-]+$/.test(escaped) ? escaped : `"${escaped.replaceAll(/["\\]/g, String.raw`\$&`)}"`;
}
