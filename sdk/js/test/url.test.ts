import { expect, test, vi } from "vitest";

const Standard = globalThis.URL;

test("plain and other URLs are what the standard says", async () => {
  vi.stubGlobal("URL", Standard);
  await import("../src/polyfills/url.js");
  const Ours = globalThis.URL;
  vi.unstubAllGlobals();
  globalThis.URL = Ours;
  expect(Ours).not.toBe(Standard);
  const cases: [string, string?][] = [
    ["https://hob.invalid/fhir/R4/Observation?subject=Patient/p&code=http://loinc.org|8302-2#x"],
    ["https://a.example"],
    ["https://a.example?"],
    ["https://a.example/#"],
    ["HTTPS://A.Example:443/a/../b/./c?q=é ü#f"],
    ["http://user:pass@a.example:8080/x"],
    ["http://127.1/x"],
    ["http://[::1]:3000/"],
    ["https://xn--bcher-kva.example/"],
    ["https://bücher.example/"],
    ["https://a.example/%2e%2e/b"],
    ["https://a.example/it's?it's"],
    ["mailto:a@b.example"],
    ["urn:uuid:00000000-0000-4000-8000-000000000000"],
    ["data:text/plain,hi"],
    ["fhir/R4/Patient?a=b", "https://hob.invalid/"],
    ["Patient/1/_history", "https://hob.invalid/fhir/R4/"],
    ["Patient", "https://hob.invalid/fhir/R4"],
    ["../x", "https://hob.invalid/fhir/R4/y"],
    ["/root", "https://hob.invalid/fhir/"],
    ["//other.example/x", "https://hob.invalid/"],
    ["?only=query", "https://hob.invalid/a/b"],
    ["a:b", "https://hob.invalid/"],
    ["$graphql", "https://hob.invalid/fhir/R4/"],
    ["", "https://hob.invalid/a"],
  ];
  const names = ["href", "origin", "protocol", "username", "password", "host", "hostname", "port", "pathname", "search", "hash"] as const;
  for (const [text, base] of cases) {
    const [ours, theirs] = [new Ours(text, base), new Standard(text, base)];
    for (const name of names) expect(`${text} ${name} ${ours[name]}`).toBe(`${text} ${name} ${theirs[name]}`);
    expect(String(ours)).toBe(String(theirs));
    expect(JSON.stringify({ ours })).toBe(JSON.stringify({ ours: theirs }));
  }
  for (const bad of ["", "nowhere", "https://", "http://a b/"]) expect(() => new Ours(bad), bad).toThrow(TypeError);
  expect([Ours.canParse("https://a.example"), Ours.canParse("nope")]).toEqual([true, false]);

  const both = [new Ours("https://a.example/x?a=1"), new Standard("https://a.example/x?a=1")];
  const seen = both.map((url) => {
    const parameters = url.searchParams;
    parameters.append("b", "Zoë & co");
    const steps = [url.href];
    url.search = "c=3&d=4";
    steps.push(url.href, parameters.get("c") ?? "", String(parameters.has("a")));
    parameters.delete("c");
    parameters.set("d", "5");
    steps.push(url.href);
    url.search = "?";
    steps.push(url.href, [...parameters].join());
    url.pathname = "/y z";
    url.hash = "h";
    url.port = "8443";
    url.search = "it's";
    steps.push(url.href, url.host);
    url.href = "https://b.example/?q=1";
    steps.push(url.href, parameters.toString());
    return steps;
  });
  expect(seen[0]).toEqual(seen[1]);
});
