// Requests to this server, with the key that was given.

let key = sessionStorage.getItem("tunesmith-key") ?? "";

export function useKey(given) {
  key = given;
  sessionStorage.setItem("tunesmith-key", given);
}

export class Refused extends Error {
  constructor(status, sentence) {
    super(sentence);
    this.status = status;
  }
}

// The JSON of an answer. Throws Refused, with the server's sentence.
export async function ask(path, body, type) {
  const headers = { Accept: "application/json" };
  if (key) headers.Authorization = `Bearer ${key}`;
  if (type) headers["Content-Type"] = type;
  let response;
  try {
    response = await fetch(path, body === undefined ? { headers } : { method: "POST", headers, body });
  } catch {
    throw new Refused(0, "The server does not answer.");
  }
  const answer = await response.json().catch(() => ({ error: `The server answered ${response.status}.` }));
  if (!response.ok) throw new Refused(response.status, answer.error);
  return answer;
}
