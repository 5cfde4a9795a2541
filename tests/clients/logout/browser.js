// A browser: it keeps cookies and follows redirects.

import makeFetchCookie from "fetch-cookie";

const { CookieJar } = makeFetchCookie.toughCookie;

/** A browser of its own, which knows no site yet. */
export function browser() {
  const get = makeFetchCookie(fetch, new CookieJar());
  return {
    get,
    /** Goes to an application's login, and comes back from it. */
    async login(application) {
      const answer = await get(`${application.url}/login`);
      if (!answer.ok) throw new Error(`the login at ${answer.url} has failed: ${answer.status} ${await answer.text()}`);
      return this.user(application);
    },
    /** Who is logged in at an application: the claims of the ID token, or null. */
    async user(application) {
      const answer = await get(`${application.url}/me`);
      if (answer.status === 401) return null;
      if (!answer.ok) throw new Error(`${answer.url}: ${answer.status} ${await answer.text()}`);
      return answer.json();
    },
  };
}
