/** Why a host must not clone from `git`, or undefined. */
export function sourceProblem(git: string, revision: string): string | undefined {
  if (/^[A-Za-z0-9+.-]*::/.test(git)) return "this form runs a program to fetch: give an https URL";
  const scp = /^[A-Za-z0-9_][A-Za-z0-9_.-]*@[A-Za-z0-9][A-Za-z0-9.-]*:[^\s]+$/;
  const noKey = "a new host has no key to log in there with: give an https URL, or a `bundle`";
  if (scp.test(git)) return noKey;
  if (/\s/.test(git) || !URL.canParse(git)) {
    return "not a URL that git can clone: https://…; a file goes into `bundle`";
  }
  const url = new URL(git);
  switch (url.protocol) {
    case "https:":
    case "http:":
      if (url.username !== "" || url.password !== "") {
        return "a credential in a URL ends up in logs and on the host: take it out";
      }
      if (/(token|key|secret|password|auth)[^=&]*=/i.test(url.search)) {
        return "a credential in a URL ends up in logs and on the host: take it out";
      }
      return url.protocol === "http:" && !/^[0-9a-f]{40}$/.test(revision)
        ? "anybody on the way can change what http brings: use https, or a full commit id as revision"
        : undefined;
    case "ssh:":
      return noKey;
    default:
      return `${url.protocol} is no protocol for this: https://…; a file goes into \`bundle\``;
  }
}
