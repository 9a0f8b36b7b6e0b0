interface VerificationOptions {
  /** Name of the site. */
  site: string;
  /** site.yaml, absolute. */
  file: string;
  /** The node that runs this, and the program it runs: absolute paths. */
  node: string;
  program: string;
}

/**
 * What an owner pastes so that backups are verified without anybody thinking of it: each day those that nobody has read are, and
 * each month two are restored, the newest and one drawn at random. Units of systemd, and the same as a job of CI. Pure.
 */
export function verificationTimers({ site, file, node, program }: VerificationOptions): string {
  const does = (...args: string[]) =>
    `ExecStart=${[node, program, ...args, "--sign", "--site", file].map(quoted).join(" ")}`;
  const unit = (name: string, description: string, ...lines: string[]) => [
    `# /etc/systemd/system/${name}`,
    "[Unit]",
    `Description=${description}`,
    ...lines,
    "",
  ];
  const service = (name: string, description: string, ...commands: string[]) =>
    unit(
      `${name}.service`,
      description,
      ...["Wants=network-online.target", "After=network-online.target", "", "[Service]", "Type=oneshot"],
      ...commands,
    );
  const timer = (name: string, description: string, calendar: string) =>
    unit(
      `${name}.timer`,
      description,
      ...["", "[Timer]", `OnCalendar=${calendar}`, "RandomizedDelaySec=30min", "Persistent=yes", ""],
      ...["[Install]", "WantedBy=timers.target"],
    );
  const [verify, prove] = [`verify-${site}`, `prove-${site}`];
  return [
    "# On a computer that makes none of these backups, as root. A unit that fails stands in `systemctl --failed`; add OnFailure= for more.",
    `# Then: systemctl enable --now ${verify}.timer ${prove}.timer`,
    "",
    ...service(
      verify,
      `Reads the backups of ${site} that nobody has read`,
      does("points", "verify", "--new"),
    ),
    ...timer(verify, `Daily: reads the backups of ${site} that nobody has read`, "*-*-* 05:00"),
    ...service(
      prove,
      `Restores two backups of ${site} on machines that are thrown away`,
      does("drill"),
      does("drill", "--draw"),
    ),
    ...timer(prove, `Monthly: restores two backups of ${site}`, "*-*-02 06:00"),
    "# Or as a job of CI, here of GitHub: .github/workflows/backups.yml in the repository that holds site.yaml, with",
    "# recovery-stack in its package.json. It keeps what it signed by a commit. Give it the secrets that site.yaml names.",
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
    "      - run: npm ci",
    "      - run: npx recovery points verify --new --sign",
    "      - if: github.event.schedule == '0 6 2 * *'",
    "        run: sudo --preserve-env npx recovery drill --sign && sudo --preserve-env npx recovery drill --draw --sign",
    "      - if: always()",
    `        run: git add verdicts && git -c user.name=verifier -c user.email=verifier@localhost commit -m "Verdicts" && git push || true`,
  ].join("\n");
}

/** As systemd reads a word of a command line. */
function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word)
    ? word.replaceAll("%", "%%")
    : `"${word.replaceAll(/["\\]/g, "\\$&").replaceAll("%", "%%")}"`;
}
