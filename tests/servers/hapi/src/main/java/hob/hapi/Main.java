package hob.hapi;

import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.context.support.IValidationSupport;
import ca.uhn.fhir.jpa.api.config.JpaStorageSettings;
import ca.uhn.fhir.jpa.api.dao.IFhirSystemDao;
import ca.uhn.fhir.jpa.provider.JpaCapabilityStatementProvider;
import ca.uhn.fhir.jpa.provider.JpaSystemProvider;
import ca.uhn.fhir.jpa.search.DatabaseBackedPagingProvider;
import ca.uhn.fhir.rest.server.RestfulServer;
import ca.uhn.fhir.rest.server.provider.ResourceProviderFactory;
import ca.uhn.fhir.rest.server.util.ISearchParamRegistry;
import java.io.IOException;
import java.io.PrintStream;
import java.net.InetSocketAddress;
import java.util.List;
import org.eclipse.jetty.ee10.servlet.ServletContextHandler;
import org.eclipse.jetty.ee10.servlet.ServletHolder;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.springframework.context.annotation.AnnotationConfigApplicationContext;

/** Starts the server, says where it is, and ends with whoever started it. */
public final class Main {

  private Main() {}

  /**
   * Runs until it is killed, or until standard input ends if so asked.
   *
   * @param args see {@link Options#USAGE}
   * @throws Exception when the server cannot be started
   */
  public static void main(String[] args) throws Exception {
    Options options;
    try {
      options = Options.parse(List.of(args));
    } catch (IllegalArgumentException wrong) {
      System.err.println(wrong.getMessage());
      System.err.print(Options.USAGE);
      System.exit(2);
      return;
    }
    if (options.exitWithStdin()) {
      exitWithStdin();
    }
    // Callers read one line from standard output; whatever a library prints goes elsewhere.
    PrintStream out = System.out;
    System.setOut(System.err);
    try {
      out.println("READY http://127.0.0.1:" + start(options) + "/fhir");
      out.flush();
    } catch (Exception failure) {
      // Threads of a server that is half up would keep the process alive.
      failure.printStackTrace();
      Runtime.getRuntime().halt(1);
    }
  }

  private static int start(Options options) throws Exception {
    Server server = new Server(new InetSocketAddress("127.0.0.1", options.port()));
    ServerConnector connector = (ServerConnector) server.getConnectors()[0];
    // A port in use is reported now, not after everything else was started.
    connector.open();

    AnnotationConfigApplicationContext beans = new AnnotationConfigApplicationContext();
    beans.registerBean(Options.class, () -> options);
    beans.register(ServerConfig.class);
    beans.refresh();

    ServletContextHandler handler = new ServletContextHandler();
    handler.setContextPath("/");
    ServletHolder holder = new ServletHolder(fhirServer(beans));
    // At start, not on the first request: READY means that it answers.
    holder.setInitOrder(1);
    handler.addServlet(holder, "/fhir/*");
    server.setHandler(handler);
    server.start();
    return connector.getLocalPort();
  }

  private static RestfulServer fhirServer(AnnotationConfigApplicationContext beans) {
    RestfulServer fhir = new RestfulServer(beans.getBean(FhirContext.class));
    fhir.registerProviders(beans.getBean(ResourceProviderFactory.class).createProviders());
    fhir.registerProvider(beans.getBean(JpaSystemProvider.class));
    fhir.setPagingProvider(beans.getBean(DatabaseBackedPagingProvider.class));
    fhir.setServerConformanceProvider(
        new JpaCapabilityStatementProvider(
            fhir,
            beans.getBean(IFhirSystemDao.class),
            beans.getBean(JpaStorageSettings.class),
            beans.getBean(ISearchParamRegistry.class),
            beans.getBean(IValidationSupport.class)));
    return fhir;
  }

  private static void exitWithStdin() {
    Thread watcher =
        new Thread(
            () -> {
              try {
                while (System.in.read() >= 0) {
                  // Nothing is said on it: only its end counts.
                }
              } catch (IOException gone) {
                // As good as its end.
              }
              // All state is in memory: there is nothing to save, and nobody to wait for.
              Runtime.getRuntime().halt(0);
            },
            "stdin");
    watcher.setDaemon(true);
    watcher.start();
  }
}
