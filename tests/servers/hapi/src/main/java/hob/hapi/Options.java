package hob.hapi;

import java.util.List;

/**
 * What the command line asks for.
 *
 * @param port where to listen on loopback; 0 lets the system choose
 * @param referentialIntegrity refuse references to, and deletes of, what others refer to
 * @param clientIds whether a PUT to an id that does not exist creates it
 * @param retrySeconds how long a failing delivery is repeated; 0 keeps HAPI's own policy
 * @param exitWithStdin end this process once its standard input is closed
 */
record Options(
    int port,
    boolean referentialIntegrity,
    boolean clientIds,
    int retrySeconds,
    boolean exitWithStdin) {

  static final String USAGE =
      """
      usage: hob.hapi.Main --port N [--referential-integrity] [--no-client-ids]
                           [--retry-seconds N] [--exit-with-stdin]
        --port N                 listen on 127.0.0.1:N; 0 chooses a free port
        --referential-integrity  refuse dangling references on write and on delete
        --no-client-ids          refuse to create by PUT (client id strategy NOT_ALLOWED)
        --retry-seconds N        give a failing delivery up after N seconds, repeating every
                                 0.1 to 1 s (HAPI's own: 60 seconds, every 1 s and longer)
        --exit-with-stdin        exit when standard input reaches its end
      """;

  /** Reads the command line; the message of the exception names what is wrong in it. */
  static Options parse(List<String> args) {
    int port = -1;
    int retrySeconds = 0;
    boolean integrity = false;
    boolean clientIds = true;
    boolean exitWithStdin = false;
    var rest = args.iterator();
    while (rest.hasNext()) {
      String option = rest.next();
      switch (option) {
        case "--port" -> port = number(option, rest.hasNext() ? rest.next() : "", 0, 65535);
        case "--retry-seconds" ->
            retrySeconds = number(option, rest.hasNext() ? rest.next() : "", 1, 3600);
        case "--referential-integrity" -> integrity = true;
        case "--no-client-ids" -> clientIds = false;
        case "--exit-with-stdin" -> exitWithStdin = true;
        default -> throw new IllegalArgumentException("unknown option " + option);
      }
    }
    if (port < 0) {
      throw new IllegalArgumentException("--port is missing");
    }
    return new Options(port, integrity, clientIds, retrySeconds, exitWithStdin);
  }

  private static int number(String option, String text, int least, int most) {
    try {
      int number = Integer.parseInt(text);
      if (number >= least && number <= most) {
        return number;
      }
    } catch (NumberFormatException notANumber) {
      // Reported below, as a number out of range is.
    }
    throw new IllegalArgumentException(
        option + " wants a number from " + least + " to " + most + ", not '" + text + "'");
  }
}
